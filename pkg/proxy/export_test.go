package proxy

// ScanREST and ScanHTTP read events.
var (
	ScanREST = scanREST
	ScanHTTP = scanHTTP
)
