package permission

// Tables is how many APIs' routes the catalogue has at hand.
func (c *Catalogue) Tables() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.tables)
}
