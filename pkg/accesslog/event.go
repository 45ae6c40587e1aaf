package accesslog

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-lambda-go/events"
)

// maxText is the most bytes that a batch may have uncompressed. Lambda takes an event of 1 MB, and
// lines of JSON shrink to a tenth or so.
const maxText = 32 << 20

var errTooLarge = errors.New("the batch is larger than any that CloudWatch Logs sends")

// unpack takes a subscription event apart: JSON, compressed, as base64 text. A control message, by
// which CloudWatch Logs looks whether the function is there, has no lines.
func unpack(payload []byte) ([]events.CloudwatchLogsLogEvent, error) {
	var event events.CloudwatchLogsEvent
	if err := json.Unmarshal(payload, &event); err != nil {
		return nil, fmt.Errorf("access log: event: %w", err)
	}

	compressed, err := base64.StdEncoding.DecodeString(event.AWSLogs.Data)
	if err != nil {
		return nil, fmt.Errorf("access log: event: %w", err)
	}

	reader, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, fmt.Errorf("access log: event: %w", err)
	}

	text, err := io.ReadAll(io.LimitReader(reader, maxText+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("access log: event: %w", err)
	case len(text) > maxText:
		return nil, fmt.Errorf("access log: event: %w", errTooLarge)
	}

	var batch events.CloudwatchLogsData
	if err := json.Unmarshal(text, &batch); err != nil {
		return nil, fmt.Errorf("access log: event: %w", err)
	}

	if batch.MessageType == "CONTROL_MESSAGE" {
		return nil, nil
	}

	return batch.LogEvents, nil
}
