package organization

import (
	"fmt"
	"net/netip"
	"time"
)

// RuntimeSettings is what of an organization bears on the calls of its keys. Checks go by it, and
// by nothing else of the organization.
type RuntimeSettings struct {
	OrganizationID string
	Version        int64 // the organization's
	// none of its keys is good from then on; zero where it is not deleted
	DeletedAt          time.Time
	LegacyKeysAccepted bool
	AllowedAddresses   []netip.Prefix // empty: every address
	SampleRequests     float64        // the part of the allowed calls that are recorded as requests
}

// RuntimeSettings is the organization's. The error says which address cannot be read.
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
