package local

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/bitting-keys/bitting/pkg/localgateway"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

const (
	deliverEvery = time.Second
	logBatch     = 1000 // lines of one batch
	logAttempts  = 3    // Lambda calls a function that failed twice more, with the same event
	logTimeout   = 10 * time.Second
)

// logs stands in for CloudWatch Logs: it keeps the lines of access logs for about a second, and
// delivers them in batches to the functions that subscribe to their log group. A batch that a
// function fails on is sent again, as on AWS. Unlike there, lines are lost if this process is
// killed before it delivers them.
type logs struct {
	subscribers map[string][]subscriber // by log group
	logger      *slog.Logger

	mu      sync.Mutex
	pending map[string][]events.CloudwatchLogsLogEvent // by log group
}

// subscriber is a function that is called with a log group's lines.
type subscriber struct {
	function template.Function
	handler  lambda.Handler
}

func newLogs(t *template.Template, functions map[string]lambda.Handler, logger *slog.Logger) *logs {
	l := &logs{
		subscribers: map[string][]subscriber{},
		logger:      logger,
		pending:     map[string][]events.CloudwatchLogsLogEvent{},
	}
	for id, f := range t.Functions {
		for _, group := range f.LogGroups {
			l.subscribers[group] = append(l.subscribers[group], subscriber{f, functions[id]})
		}
	}

	return l
}

// writer returns what takes the calls of gateways; nil if no function wants any line, which spares
// describing each call.
func (l *logs) writer() func(localgateway.AccessRecord) {
	if len(l.subscribers) == 0 {
		return nil
	}

	return l.write
}

// write adds the line of one call.
func (l *logs) write(r localgateway.AccessRecord) {
	if len(l.subscribers[r.LogGroup]) == 0 {
		return
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending[r.LogGroup] = append(l.pending[r.LogGroup], events.CloudwatchLogsLogEvent{
		ID:        rand.Text(),
		Timestamp: r.Time.UnixMilli(),
		Message:   r.Line,
	})
}

// start delivers every second or so until stop, and then delivers the rest.
func (l *logs) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(deliverEvery)
		defer tick.Stop()

		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				l.deliver(context.WithoutCancel(ctx))
			}
		}
	})
	return func() {
		cancel()
		running.Wait()
		l.deliver(context.WithoutCancel(ctx))
	}
}

// deliver sends the pending lines.
func (l *logs) deliver(ctx context.Context) {
	l.mu.Lock()
	pending := l.pending
	l.pending = map[string][]events.CloudwatchLogsLogEvent{}
	l.mu.Unlock()

	for group, lines := range pending {
		for start := 0; start < len(lines); start += logBatch {
			batch := lines[start:min(start+logBatch, len(lines))]
			for _, s := range l.subscribers[group] {
				if err := s.invoke(ctx, group, batch); err != nil {
					l.logger.ErrorContext(ctx, "access log lines were not taken", "function",
						s.function.ID, "lines", len(batch), "error", err)
				}
			}
		}
	}
}

// invoke calls the function with a batch until it succeeds, at most logAttempts times.
func (s subscriber) invoke(
	ctx context.Context, group string, batch []events.CloudwatchLogsLogEvent,
) error {
	payload, err := subscriptionEvent(group, batch)
	if err != nil {
		return err
	}

	var faults []error
	for range logAttempts {
		if err = s.call(ctx, payload); err == nil {
			return nil
		}

		faults = append(faults, err)
	}

	return errors.Join(faults...)
}

func (s subscriber) call(ctx context.Context, payload []byte) error {
	ctx, cancel := context.WithTimeout(ctx, min(s.function.Timeout, logTimeout))
	defer cancel()
	_, err := s.handler.Invoke(lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{
		AwsRequestID:       rand.Text(),
		InvokedFunctionArn: s.function.ARN,
	}), payload)
	return err
}

// subscriptionEvent returns the event with which CloudWatch Logs calls a function: JSON,
// compressed, as base64 text.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
func subscriptionEvent(group string, batch []events.CloudwatchLogsLogEvent) ([]byte, error) {
	text, err := json.Marshal(events.CloudwatchLogsData{
		Owner:               "123456789012",
		LogGroup:            group,
		LogStream:           "local",
		SubscriptionFilters: []string{"local"},
		MessageType:         "DATA_MESSAGE",
		LogEvents:           batch,
	})
	if err != nil {
		return nil, fmt.Errorf("access log: %w", err)
	}

	var compressed bytes.Buffer
	writer := gzip.NewWriter(&compressed)

	_, err = writer.Write(text)
	if err := errors.Join(err, writer.Close()); err != nil {
		return nil, fmt.Errorf("access log: %w", err)
	}

	return json.Marshal(events.CloudwatchLogsEvent{
		AWSLogs: events.CloudwatchLogsRawData{
			Data: base64.StdEncoding.EncodeToString(compressed.Bytes()),
		},
	})
}
