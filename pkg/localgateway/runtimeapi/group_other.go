//go:build !unix

package runtimeapi

import "os/exec"

// Without process groups only the process itself can be ended.
func ownGroup(*exec.Cmd) {}

func terminate(c *exec.Cmd) { _ = c.Process.Kill() }

func killGroup(c *exec.Cmd) { _ = c.Process.Kill() }
