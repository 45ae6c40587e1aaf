package permission

// Tables returns the number of APIs whose routes are compiled.
func (c *Catalogue) Tables() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.tables)
}
