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

// maxText is the most uncompressed bytes in a batch. Lambda accepts an event of 1 MB, and JSON
// lines compress to about a tenth.
const maxText = 32 << 20

var errTooLarge = errors.New("the batch is larger than any that CloudWatch Logs sends")

// unpack decodes a subscription event: base64 of gzip of JSON. A control message, with which
// CloudWatch Logs tests whether the function exists, has no lines.
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

	// One byte more, to notice a longer text.
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
