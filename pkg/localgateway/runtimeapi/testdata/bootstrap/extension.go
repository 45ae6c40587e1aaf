package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

// extend registers an extension inside this process. The extension prints the id of each
// invocation, and then works until a file with that id is in the folder WORK. It returns the
// answer to the registration.
func extend(events string) (status, id string) {
	request, err := http.NewRequest(http.MethodPost, extensionURL("register"), strings.NewReader(`{"events":[`+events+`]}`)) //nolint:noctx // it ends with the process
	if err != nil {
		return err.Error(), ""
	}
	request.Header.Set("Lambda-Extension-Name", "tester")
	response, err := http.DefaultClient.Do(request) //nolint:gosec // the address comes from the test
	if err != nil {
		return err.Error(), ""
	}
	defer func() { _ = response.Body.Close() }()
	var refusal struct {
		ErrorType, ErrorMessage string
	}
	_ = json.NewDecoder(response.Body).Decode(&refusal)
	return strings.TrimSpace(fmt.Sprint(response.StatusCode, " ", refusal.ErrorType, " ",
		refusal.ErrorMessage)), response.Header.Get("Lambda-Extension-Identifier")
}

func extensionURL(path string) string {
	return "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2020-01-01/extension/" + path
}

// work is the extension's loop.
func work(id string) {
	for {
		request, err := http.NewRequest(http.MethodGet, extensionURL("event/next"), nil) //nolint:noctx // it ends with the process
		if err != nil {
			return
		}
		request.Header.Set("Lambda-Extension-Identifier", id)
		response, err := http.DefaultClient.Do(request) //nolint:gosec // the address comes from the test
		if err != nil {
			return
		}
		var event struct {
			EventType, RequestID, InvokedFunctionARN string
			DeadlineMs                               int64
		}
		err = json.NewDecoder(response.Body).Decode(&event)
		_ = response.Body.Close()
		if err != nil {
			return
		}
		fmt.Println("told", event.EventType, event.RequestID, event.InvokedFunctionARN,
			time.Until(time.UnixMilli(event.DeadlineMs)) > 0)
		for {
			if _, err := os.Stat(os.Getenv("WORK") + "/" + event.RequestID); err == nil {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// extended starts the function with such an extension.
func extended() {
	status, id := extend(`"INVOKE"`)
	if status != "200" {
		fmt.Println("register:", status)
		os.Exit(1)
	}
	go work(id)
	lambda.Start(func(ctx context.Context, r request) (map[string]any, error) {
		if r.Do == "register" {
			status, _ := extend(r.Value)
			return map[string]any{"echo": status}, nil
		}
		return handle(ctx, r)
	})
}
