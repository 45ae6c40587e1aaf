package main

// Run runs the command in this process, for what only a process itself can stand in for.
func Run(args []string) (code int) { return run(args) }
