package store

import (
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/store/internal/dynamo"
)

// A key is in eight indexes for lists: in one partition for each choice of environment and owner,
// always separated by ownership, so that a viewer who sees only their own personal keys skips no
// others; and in each partition twice, once by time and once by rank, then time. A key that is
// scoped to a customer is also in all of them again, in partitions of that customer
// (customerkeys.go).
//
// A list of active keys reads the live rank and one of inactive keys the rest, regardless of how
// many of the other there are. A key may change its rank while a list is walked, and then is under
// neither for a moment. So lists of every status are read by time alone, where a key never moves.

// The ranks. A key is live if it was active at its last write; one that has expired since then
// stays live until the sweep (sweep.go).
const (
	live = "live#"
	rest = "rest#"
)

// lists are the attributes by which indexes find an item of a key. Lists do not trust them: they
// read the row.
type lists struct {
	ListPK                 string
	ListEnvironmentPK      string
	ListOwnerPK            string
	ListOwnerEnvironmentPK string
	ListSK                 string
	ListRankSK             string
	ListExpiringPK         string // "" of a key that will not expire
	ListExpiringSK         string
}

// putIn sets the attributes of an item.
func (l lists) putIn(item dynamo.Item) {
	item.PutText(byOrganization.Partition, l.ListPK)
	item.PutText(byOrganization.Sort, l.ListSK)
	item.PutText(listEnvironmentPK, l.ListEnvironmentPK)
	item.PutText(listOwnerPK, l.ListOwnerPK)
	item.PutText(listOwnerEnvironmentPK, l.ListOwnerEnvironmentPK)
	item.PutText(listRankSK, l.ListRankSK)
	item.PutText(byExpiry.Partition, l.ListExpiringPK)
	item.PutText(byExpiry.Sort, l.ListExpiringSK)
}

// The keys of the indexes of keys, besides those of byOrganization and byExpiry.
const (
	listEnvironmentPK      = "listEnvironmentPk"
	listOwnerPK            = "listOwnerPk"
	listOwnerEnvironmentPK = "listOwnerEnvironmentPk"
	listRankSK             = "listRankSk"
)

// listsOf returns a key's place in lists as of a time: among all keys, or among those scoped to a
// customer unless that is "".
func listsOf(k *apikey.Key, customer string, at time.Time) lists {
	list := func(within ...string) string {
		return keysList(k.OrganizationID, customer, k.Ownership, within...)
	}

	l := lists{
		ListPK:                 list(),
		ListEnvironmentPK:      list(string(k.Environment)),
		ListOwnerPK:            list(k.Owner.ID),
		ListOwnerEnvironmentPK: list(string(k.Environment), k.Owner.ID),
		ListSK:                 listSort(k.CreatedAt, k.ID),
		ListRankSK:             rest + listSort(k.CreatedAt, k.ID),
	}
	if k.Status(at) == apikey.Active {
		l.ListRankSK = live + l.ListSK
		if customer == "" && !k.ExpiresAt.IsZero() {
			l.ListExpiringPK = expiringPartitionOf(k)
			l.ListExpiringSK = listSort(k.ExpiresAt, k.ID)
		}
	}

	return l
}

// stream is a part of an index that a list reads: a whole partition, or one rank of it.
type stream struct {
	index dynamo.Index
	list  string // its partition
	rank  string // "" for all
}

// streams returns the parts of the indexes whose entries, merged by time, form the list of a
// filter, apart from what no index knows.
func (f Filter) streams(org string) []stream {
	base := stream{
		index: byOrganization,
		rank:  map[apikey.Status]string{apikey.Active: live, apikey.Inactive: rest}[f.Status],
	}

	var out []stream
	for _, ownership := range []apikey.Ownership{apikey.Organization, apikey.Personal} {
		owner := f.Owner
		// A viewer sees only their own personal keys, and all of the organization's.
		if f.Viewer != "" && ownership == apikey.Personal {
			if owner != "" && owner != f.Viewer {
				continue
			}

			owner = f.Viewer
		}

		if f.Ownership != "" && f.Ownership != ownership {
			continue
		}

		s := base
		switch env := string(f.Environment); {
		case env != "" && owner != "":
			s.index.Name = "byOwnerAndEnvironment"
			s.index.Partition = listOwnerEnvironmentPK
			s.list = keysList(org, f.Customer, ownership, env, owner)
		case owner != "":
			s.index.Name = "byOwner"
			s.index.Partition = listOwnerPK
			s.list = keysList(org, f.Customer, ownership, owner)
		case env != "":
			s.index.Name = "byEnvironment"
			s.index.Partition = listEnvironmentPK
			s.list = keysList(org, f.Customer, ownership, env)
		default:
			s.list = keysList(org, f.Customer, ownership)
		}

		if s.rank != "" {
			s.index.Name += "AndRank"
			s.index.Sort = listRankSK
		}

		out = append(out, s)
	}

	return out
}

// bound returns the exclusive bound of the sort attribute for entries after a position. Ranks,
// times and ids sort between a space and a tilde.
func (s stream) bound(after string, forwards bool) string {
	switch {
	case after != "":
		return s.rank + after
	case forwards:
		return s.rank + " "
	default:
		return s.rank + "~"
	}
}

// position returns an entry's place in the list. within is false for an entry of another rank,
// which follows the last one of this rank.
func (s stream) position(sort string) (position string, within bool) {
	return strings.CutPrefix(sort, s.rank)
}
