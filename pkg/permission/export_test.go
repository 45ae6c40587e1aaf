package permission

// Tables returns the number of APIs whose routes are compiled.
func (c *Catalogue) Tables() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.tables)
}

// MostBytes returns a size that a catalogue does not exceed as JSON.
var MostBytes = mostBytes
