// A client as its user wrote it: net/http, and one helper that tries everything three times.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

var base = os.Getenv("BASE") + "/api/v1/client/job/"
var http10 = &http.Client{Timeout: 10 * time.Second}

func do(method, path string, in any, out any) error {
	var last error
	for i := 0; i < 3; i++ {
		body, _ := json.Marshal(in)
		req, _ := http.NewRequest(method, base+path, bytes.NewReader(body))
		req.Header.Set("x-api-key", os.Getenv("KEY"))
		req.Header.Set("Content-Type", "application/json")
		resp, err := http10.Do(req)
		if err != nil {
			last = err
			time.Sleep(time.Second)
			continue
		}
		raw, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		var answer struct {
			Code int
			Data json.RawMessage
		}
		if err := json.Unmarshal(raw, &answer); err != nil {
			last = err
			time.Sleep(time.Second)
			continue
		}
		if answer.Code != 200 {
			return fmt.Errorf("refused with %d", answer.Code)
		}
		return json.Unmarshal(answer.Data, out)
	}
	return last
}

func main() {
	var created struct {
		TaskID string `json:"task_id"`
	}
	input := map[string]string{"image_url": os.Getenv("IMAGE"), "new_face": os.Getenv("FACE")}
	if err := do("POST", "CreateTask", map[string]any{"model": "image-face-swap", "input": input}, &created); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for i := 0; i < 40; i++ {
		time.Sleep(2 * time.Second)
		var info struct{ Status string }
		if err := do("GET", "TaskInfo?task_id="+created.TaskID, nil, &info); err != nil {
			fmt.Println(created.TaskID, err)
			os.Exit(1)
		}
		if info.Status == "success" {
			fmt.Println("done", created.TaskID)
			return
		}
		if info.Status == "failed" {
			os.Exit(1)
		}
	}
	fmt.Println("timeout", created.TaskID)
	os.Exit(1)
}
