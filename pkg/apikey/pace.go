package apikey

import "time"

// Pace is the rate at which a row is being changed: the theoretical arrival time of the generic
// cell rate algorithm (ITU-T I.371), in milliseconds of Unix time; 0 for a row that was not
// changed recently. Changes beyond a rate are refused, except stops, so that frequent writes
// cannot block a revocation.
type Pace int64

// Urgency is how the rate limit of a row applies to a change.
type Urgency int

const (
	// Ordinary changes share a burst of changeBurst, which refills by one every changeInterval.
	Ordinary Urgency = iota
	// Restriction is a new secret that ends the old one, or a change that only narrows what is
	// allowed. It stops a caller, but can be repeated without end. So it has a burst of its own
	// beyond the ordinary one, which ordinary changes cannot use up.
	Restriction
	// Stop takes a right away, and is never refused. It cannot be repeated without an ordinary
	// change in between that gives the right back.
	Stop
)

const (
	changeBurst    = 10
	changeInterval = 200 * time.Millisecond
	// HoldFor is how long a hold keeps other changes off a row, counted from when the row is free
	// again: longer than a stop takes to read and write the row.
	HoldFor = 3 * time.Second
)

// Spend returns the pace after another change at now. If the row is changed too fast for it, it
// returns a positive time to wait instead.
func (p Pace) Spend(u Urgency, now time.Time) (next Pace, wait time.Duration) {
	at := max(int64(p), now.UnixMilli())

	full := now.Add(changeBurst * changeInterval).UnixMilli()
	switch u {
	case Stop:
		return min(p, Pace(full)), 0 // and a hold for this change is over
	case Restriction:
		full = now.Add(2 * changeBurst * changeInterval).UnixMilli()
	}

	at += changeInterval.Milliseconds()
	if at > full {
		return p, time.Duration(at-full) * time.Millisecond
	}

	return Pace(at), 0
}

// Busy reports whether more than half of the burst was used within the last moments: others are
// changing the row, and may well do so between the read and the write of a stop.
func (p Pace) Busy(now time.Time) bool {
	return int64(p) > now.Add(changeBurst/2*changeInterval).UnixMilli()
}

// Held returns the pace of a row on which a stop is waiting: every other change is refused until
// HoldFor from now.
func Held(now time.Time) Pace {
	return Pace(now.Add(2*changeBurst*changeInterval + HoldFor).UnixMilli())
}

// UrgencyOf returns how urgent the change of a key from before to after is. isAdmin reports whether
// a permission is one of the admin API's.
func UrgencyOf(before, after *Key, isAdmin func(permission string) bool) Urgency {
	revoked := after.Revocation != nil &&
		(before.Revocation == nil || after.Revocation.By != before.Revocation.By ||
			after.Revocation.Compromised && !before.Revocation.Compromised)
	exposed := after.Exposure != nil && before.Exposure == nil
	deleted := before.DeletedAt.IsZero() && !after.DeletedAt.IsZero()
	ended := before.Rotation != nil && after.Rotation == nil
	renewed := !after.RenewedAt.Equal(before.RenewedAt)

	switch {
	case revoked, exposed, deleted, before.Enabled && !after.Enabled:
		return Stop
	case renewed && after.Rotation == nil:
		return Restriction
	case ended:
		return Stop
	case !renewed && len(after.Exceeds(before, isAdmin)) == 0 &&
		len(before.Exceeds(after, isAdmin)) > 0:
		return Restriction
	default:
		return Ordinary
	}
}
