package organization

import (
	"fmt"
	"net/netip"
	"time"
)

// RuntimeSettings are the parts of an organization that affect the calls of its keys. Checks use
// nothing else of the organization.
type RuntimeSettings struct {
	OrganizationID string
	Version        int64 // the organization's
	// DeletedAt is when all of its keys stopped working; zero if it is not deleted.
	DeletedAt          time.Time
	LegacyKeysAccepted bool
	AllowedAddresses   []netip.Prefix // empty: every address
	SampleRequests     float64        // the fraction of allowed calls that are recorded as requests
}

// RuntimeSettings returns the organization's runtime settings. The error names an address that
// cannot be parsed.
func (o *Organization) RuntimeSettings() (*RuntimeSettings, error) {
	s := &RuntimeSettings{
		OrganizationID:     o.ID,
		Version:            o.Version,
		DeletedAt:          o.DeletedAt,
		LegacyKeysAccepted: o.Settings.LegacyKeysAccepted,
		SampleRequests:     o.Settings.SampleRequests,
	}
	for _, text := range o.Settings.AllowedAddresses {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("organization %s: %w", o.ID, err)
		}

		s.AllowedAddresses = append(s.AllowedAddresses, network)
	}

	return s, nil
}
