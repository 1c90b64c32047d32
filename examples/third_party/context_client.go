// A client as its user wrote it: net/http with a context, typed errors, reads with back-off, the submission sent once.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

type APIError struct {
	Code       int
	Message    string
	RetryAfter time.Duration
}

func (e *APIError) Error() string { return fmt.Sprintf("api error %d: %s", e.Code, e.Message) }

func (e *APIError) Temporary() bool {
	return e.Code == 429 || e.Code == 455 || e.Code == 408 || (e.Code >= 500 && e.Code <= 504)
}

type Client struct {
	base, key string
	http      *http.Client
}

func New(base, key string) *Client {
	noRedirects := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{base, key, &http.Client{Timeout: 20 * time.Second, CheckRedirect: noRedirects}}
}

func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return time.Until(at)
	}
	return 0
}

func (c *Client) once(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("x-api-key", c.key)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var envelope struct {
		Code    int             `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&envelope); err != nil {
		return fmt.Errorf("%s %s: HTTP %d: %w", method, path, resp.StatusCode, err)
	}
	if envelope.Code != 200 {
		return &APIError{envelope.Code, envelope.Message, retryAfter(resp.Header)}
	}
	return json.Unmarshal(envelope.Data, out)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (c *Client) Read(ctx context.Context, path string, out any) error {
	wait := time.Second
	for attempt := 1; ; attempt++ {
		err := c.once(ctx, http.MethodGet, path, nil, out)
		var api *APIError
		if err == nil || (errors.As(err, &api) && !api.Temporary()) || attempt == 5 || ctx.Err() != nil {
			return err
		}
		next := wait
		if api != nil && api.RetryAfter > next {
			next = api.RetryAfter
		}
		if err := pause(ctx, next); err != nil {
			return err
		}
		wait *= 2
	}
}

func (c *Client) Swap(ctx context.Context, image, face string) (string, error) {
	var created struct {
		TaskID string `json:"task_id"`
	}
	in := map[string]any{"model": "image-face-swap", "input": map[string]string{"image_url": image, "new_face": face}}
	if err := c.once(ctx, http.MethodPost, "/job/CreateTask", in, &created); err != nil {
		return "", err
	}
	fmt.Println("task", created.TaskID)
	for {
		var info struct {
			Status string
			Result struct {
				MediaURLs []string `json:"media_urls"`
				Message   string
			}
		}
		if err := c.Read(ctx, "/job/TaskInfo?task_id="+url.QueryEscape(created.TaskID), &info); err != nil {
			return "", err
		}
		switch info.Status {
		case "success":
			if len(info.Result.MediaURLs) == 0 {
				return "", fmt.Errorf("task %s has no media", created.TaskID)
			}
			return info.Result.MediaURLs[0], nil
		case "failed":
			return "", &APIError{Code: 501, Message: info.Result.Message}
		}
		if err := pause(ctx, 2*time.Second); err != nil {
			return "", err
		}
	}
}

func save(ctx context.Context, link, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "image/") {
		return fmt.Errorf("download: HTTP %d, %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if len(raw) == 0 {
		return errors.New("download: empty")
	}
	return os.WriteFile(path, raw, 0o644)
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	client := New(os.Getenv("CRUN_BASE")+"/api/v1/client", os.Getenv("CRUN_KEY"))
	link, err := client.Swap(ctx, os.Getenv("PICTURE"), os.Getenv("FACE"))
	if err == nil {
		err = save(ctx, link, "swap.png")
		for attempt := 1; err != nil && attempt < 4 && pause(ctx, time.Duration(attempt)*time.Second) == nil; attempt++ {
			err = save(ctx, link, "swap.png")
		}
	}
	var api *APIError
	switch {
	case err == nil:
		fmt.Println("saved swap.png")
	case errors.As(err, &api) && api.Code != 500:
		fmt.Println("failed:", err)
		os.Exit(1)
	default:
		fmt.Println("state unknown:", err)
		os.Exit(2)
	}
}
