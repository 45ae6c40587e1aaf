package runtimeapi

import (
	"bytes"
	"io"
	"sync"
)

// lines writes whole lines of several processes to one writer, each after a prefix.
type lines struct {
	mu     sync.Mutex
	to     io.Writer
	prefix string
}

// stream is one process's standard output or error.
type stream struct {
	lines *lines
	rest  []byte // of a line that has not ended
}

func (l *lines) stream() *stream { return &stream{lines: l} }

// Write never fails: a full disk behind the output must not stop a function.
func (s *stream) Write(p []byte) (int, error) {
	s.lines.mu.Lock()
	defer s.lines.mu.Unlock()

	s.rest = append(s.rest, p...)
	for {
		end := bytes.IndexByte(s.rest, '\n')
		if end < 0 {
			return len(p), nil
		}

		s.put(s.rest[:end+1])
		s.rest = s.rest[end+1:]
	}
}

// flush writes the last line if it has no newline.
func (s *stream) flush() {
	s.lines.mu.Lock()
	defer s.lines.mu.Unlock()

	if len(s.rest) > 0 {
		s.put(append(s.rest, '\n'))
	}
}

func (s *stream) put(line []byte) {
	_, _ = s.lines.to.Write(append([]byte(s.lines.prefix), line...))
}
