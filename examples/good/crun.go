// A careful client of crun.ai in Go, by the standard library alone: one swap of a single face, stored as a file.
//
//	go build -o crun crun.go && swapmock conform --declaration conform-go.toml
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	api      = "/api/v1/client"
	timeout  = 10 * time.Second
	interval = 3 * time.Second
	attempts = 5
	// Polls that may fail one after the other.
	tolerated = 8
)

// failed: the job has failed for good. notKnown: what became of it is not known yet, and its record is kept.
type failed struct{ error }
type notKnown struct{ error }

// doubtful: no answer, or one from which nobody can tell what happened.
type doubtful struct{ error }

// refused: a refusal with the code of the body. wait is what Retry-After says.
type refused struct {
	code int
	text string
	wait time.Duration
}

func (r refused) Error() string { return fmt.Sprintf("refused with %d: %s", r.code, r.text) }

func (r refused) passes() bool { return r.code == 429 || r.code == 455 }

// record is the job on disk: written before anything is sent, read at the start.
type record struct {
	path    string
	Task    string  `json:"task"`
	Doubt   bool    `json:"doubt"`
	Balance float64 `json:"balance"`
	Done    string  `json:"done"`
}

func (r *record) keep() error {
	content, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.path+".tmp", content, 0o600); err != nil {
		return err
	}
	return os.Rename(r.path+".tmp", r.path)
}

type client struct {
	url      string
	key      string
	folder   string
	deadline time.Time
	// calls has the key and follows no redirect; downloads has neither key nor headers of its own.
	calls     *http.Client
	downloads *http.Client
	job       record
}

type envelope struct {
	Code    *int            `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`
}

type task struct {
	Status string `json:"status"`
	Reason string `json:"reason"`
	Result struct {
		Links []string `json:"media_urls"`
	} `json:"result"`
}

func newClient() *client {
	folder := os.Getenv("SWAPMOCK_WORK_DIR")
	if folder == "" {
		folder = "."
	}
	seconds, err := strconv.ParseFloat(os.Getenv("JOB_DEADLINE"), 64)
	if err != nil {
		seconds = 300
	}
	c := &client{
		url:       os.Getenv("SWAPMOCK_URL"),
		key:       os.Getenv("CRUN_API_KEY"),
		folder:    folder,
		deadline:  time.Now().Add(time.Duration(seconds * float64(time.Second))),
		calls:     &http.Client{Timeout: timeout},
		downloads: &http.Client{Timeout: timeout},
		job:       record{path: filepath.Join(folder, "job.json")},
	}
	c.calls.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if content, err := os.ReadFile(c.job.path); err == nil {
		_ = json.Unmarshal(content, &c.job)
	}
	return c
}

// send makes one call and returns the data of a success. The code in the body counts, whatever the HTTP status is.
func (c *client) send(method, path string, body any) (json.RawMessage, error) {
	content, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequest(method, c.url+api+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	request.Header.Set("x-api-key", c.key)
	request.Header.Set("content-type", "application/json")
	answer, err := c.calls.Do(request)
	if err != nil {
		if isBadCertificate(err) {
			return nil, failed{err}
		}
		return nil, doubtful{err}
	}
	defer answer.Body.Close()
	var told envelope
	if err := json.NewDecoder(answer.Body).Decode(&told); err != nil || told.Code == nil {
		return nil, doubtful{fmt.Errorf("HTTP %d with no code", answer.StatusCode)}
	}
	switch {
	case *told.Code == 200:
		return told.Data, nil
	case *told.Code >= 500 && *told.Code <= 504:
		return nil, doubtful{fmt.Errorf("code %d", *told.Code)}
	}
	return nil, refused{*told.Code, told.Message, retryAfter(answer.Header.Get("retry-after"))}
}

func isBadCertificate(err error) bool {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var record tls.RecordHeaderError
	return errors.As(err, &unknown) || errors.As(err, &name) || errors.As(err, &record)
}

// retryAfter reads both forms of the header.
func retryAfter(told string) time.Duration {
	if seconds, err := strconv.Atoi(told); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(told); err == nil {
		return time.Until(at) + time.Second
	}
	return 0
}

// pause sleeps, but not beyond the job's deadline.
func (c *client) pause(d time.Duration) error {
	if time.Now().Add(d).After(c.deadline) {
		return notKnown{errors.New("the deadline has passed; the task goes on at the vendor")}
	}
	time.Sleep(d)
	return nil
}

// balance reads the credits of the account; asking costs nothing, so a few tries are fine.
func (c *client) balance() (float64, error) {
	for try := 0; ; try++ {
		data, err := c.send("GET", "/account/balance", nil)
		if err == nil {
			var told struct{ Balance float64 }
			if err := json.Unmarshal(data, &told); err != nil {
				return 0, notKnown{err}
			}
			return told.Balance, nil
		}
		if errors.As(err, new(failed)) {
			return 0, err
		}
		if try == 3 {
			return 0, notKnown{fmt.Errorf("the balance cannot be read: %w", err)}
		}
		if err := c.pause(2 * time.Second); err != nil {
			return 0, err
		}
	}
}

// settle asks the balance whether a doubtful submission made a task. Which one, nobody tells.
func (c *client) settle(doubt error) error {
	now, err := c.balance()
	if err != nil {
		return err
	}
	if now != c.job.Balance {
		return notKnown{fmt.Errorf("credits were taken, the task's id is not known (%w)", doubt)}
	}
	c.job.Doubt = false
	return c.job.keep()
}

func (c *client) create() error {
	credits, err := c.balance()
	if err != nil {
		return err
	}
	c.job.Doubt, c.job.Balance = true, credits
	if err := c.job.keep(); err != nil {
		return err
	}
	input := map[string]string{"image_url": os.Getenv("SWAPMOCK_IMAGE_URL"), "new_face": os.Getenv("SWAPMOCK_FACE_URL")}
	data, err := c.send("POST", "/job/CreateTask", map[string]any{"model": "image-face-swap", "input": input})
	if errors.As(err, new(doubtful)) {
		return err
	}
	c.job.Doubt = false
	if err == nil {
		var told struct {
			Task string `json:"task_id"`
		}
		if err = json.Unmarshal(data, &told); err == nil && told.Task == "" {
			err = notKnown{errors.New("accepted without an id")}
		}
		c.job.Task = told.Task
	}
	if kept := c.job.keep(); kept != nil {
		return kept
	}
	return err
}

// submit sends the job once. A passing refusal is tried again later; a doubtful answer is settled before anything is sent.
func (c *client) submit() error {
	if c.job.Doubt {
		if err := c.settle(errors.New("an earlier run was not answered")); err != nil {
			return err
		}
	}
	gap := 2 * time.Second
	for try := 1; ; try++ {
		err := c.create()
		if err == nil {
			return nil
		}
		wait := gap
		var no refused
		switch {
		case errors.As(err, new(doubtful)):
			if err := c.settle(err); err != nil {
				return err
			}
		case errors.As(err, &no) && no.passes():
			if no.wait > 0 {
				wait = no.wait
			}
		case errors.As(err, new(notKnown)):
			return err
		default:
			return failed{err}
		}
		if try == attempts {
			return failed{fmt.Errorf("gave up after %d attempts: %w", attempts, err)}
		}
		if err := c.pause(wait); err != nil {
			return err
		}
		gap *= 2
	}
}

// wait polls until the task has ended. One failing poll ends nothing, the deadline ends the wait.
func (c *client) wait() (task, error) {
	for failing := 0; ; {
		pause := interval
		data, err := c.send("GET", "/job/TaskInfo?task_id="+url.QueryEscape(c.job.Task), nil)
		var told task
		if err == nil {
			err = json.Unmarshal(data, &told)
		}
		var no refused
		switch {
		case err == nil && told.Status == "success":
			return told, nil
		case err == nil && told.Status == "failed":
			return told, failed{fmt.Errorf("the task failed: %s", told.Reason)}
		case err == nil: // a word that is in no list counts as running
			failing = 0
		case errors.As(err, &no) && !no.passes() && (no.code != 404 || failing >= 3):
			return told, notKnown{fmt.Errorf("polls are %w", err)}
		default:
			failing++
			pause *= time.Duration(failing)
			if no.wait > 0 {
				pause = no.wait
			}
		}
		if failing > tolerated {
			return told, notKnown{fmt.Errorf("%d polls failed one after the other: %w", failing, err)}
		}
		if err := c.pause(pause); err != nil {
			return told, err
		}
	}
}

// fetch stores the result. Three tries; nothing counts that is not a whole picture. The key stays at home.
func (c *client) fetch(link string) (string, error) {
	for try := 1; ; try++ {
		path, err := c.fetchOnce(link)
		if err == nil {
			return path, nil
		}
		if try == 3 {
			return "", notKnown{fmt.Errorf("the result could not be fetched: %w", err)}
		}
		if err := c.pause(5 * time.Second); err != nil {
			return "", err
		}
	}
}

func (c *client) fetchOnce(link string) (string, error) {
	answer, err := c.downloads.Get(link)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	kind := answer.Header.Get("content-type")
	if answer.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "image/") {
		return "", fmt.Errorf("HTTP %d, %s", answer.StatusCode, kind)
	}
	content, err := io.ReadAll(answer.Body) // an error where the body is shorter than its Content-Length
	if err == nil && len(content) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", err
	}
	path := filepath.Join(c.folder, "result.png")
	if err := os.WriteFile(path+".part", content, 0o600); err != nil {
		return "", err
	}
	return path, os.Rename(path+".part", path)
}

func (c *client) run() error {
	if c.job.Done != "" {
		return nil
	}
	if c.job.Task == "" {
		if err := c.submit(); err != nil {
			return err
		}
	}
	told, err := c.wait()
	if err != nil {
		return err
	}
	if len(told.Result.Links) == 0 {
		return failed{errors.New("the task succeeded without any media")}
	}
	if c.job.Done, err = c.fetch(told.Result.Links[0]); err != nil {
		return err
	}
	return c.job.keep()
}

// claim tells the outcome where somebody wants to know it.
func (c *client) claim(outcome, reason string) {
	if where := os.Getenv("SWAPMOCK_OUTCOME_URL"); where != "" {
		body, _ := json.Marshal(map[string]string{"outcome": outcome, "task": c.job.Task, "reason": reason})
		if answer, err := http.Post(where, "application/json", bytes.NewReader(body)); err == nil {
			answer.Body.Close()
		}
	}
}

func main() {
	c := newClient()
	err := c.run()
	switch {
	case err == nil:
		c.claim("succeeded", "")
		fmt.Println("done:", c.job.Done)
	case errors.As(err, new(failed)):
		c.claim("failed", err.Error())
		fmt.Fprintln(os.Stderr, "failed:", err)
		os.Exit(1)
	default:
		c.claim("unknown", err.Error())
		fmt.Fprintf(os.Stderr, "not known yet: %v; task %s\n", err, c.job.Task)
		os.Exit(75)
	}
}
