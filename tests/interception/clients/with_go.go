// A client whose vendor address is built in, with Go's default transport.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

const api = "https://api.crun.ai/api/v1/client"

func call(method, url, body string, headers map[string]string) []byte {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		panic(err)
	}
	return text
}

func data(text []byte) map[string]any {
	var document struct{ Data map[string]any }
	if err := json.Unmarshal(text, &document); err != nil {
		panic(err)
	}
	return document.Data
}

func main() {
	key := map[string]string{"x-api-key": os.Getenv("CRUN_API_KEY")}
	balance := data(call("GET", api+"/account/balance", "", key))["balance"]
	links := data(call("GET", api+"/files/upload-url?content_type=image/png&ext=.png", "", key))
	call("PUT", links["presigned_url"].(string), "bytes", map[string]string{"Content-Type": "image/png"})
	echo := string(call("GET", links["file_url"].(string), "", nil))
	shown, _ := json.Marshal(map[string]any{"balance": balance, "url": links["file_url"], "echo": echo})
	fmt.Println(string(shown))
}
