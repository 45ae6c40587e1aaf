package pepper_test

import (
	"bytes"
	"sync"
	"testing"

	"github.com/bitting-keys/bitting/pkg/apikey"
)

// Keyed hashes are used again, and none is of two texts: not of two callers, and not of one after the
// other.
func TestHashesAreOfOneText(t *testing.T) {
	t.Parallel()
	p := goldenPepper(t)

	parts := func(i int) apikey.Parts {
		return apikey.Parts{
			Environment: apikey.Production,
			KeyID:       "7Qm2Xb0aVd91KtZs",
			Random:      string(bytes.Repeat([]byte{byte('a' + i)}, 32)),
		}
	}

	var want [8][3][]byte
	for i := range want {
		fresh := goldenPepper(t) // for each its own
		want[i] = [3][]byte{
			fresh.Hash(parts(i)),
			fresh.Seal([]byte(parts(i).Random)),
			fresh.HashForeign(apikey.Staging, "id", apikey.SHA256, []byte(parts(i).Random)),
		}
	}

	var group sync.WaitGroup
	for i := range want {
		group.Go(func() {
			for range 200 {
				got := [3][]byte{
					p.Hash(parts(i)),
					p.Seal([]byte(parts(i).Random)),
					p.HashForeign(apikey.Staging, "id", apikey.SHA256, []byte(parts(i).Random)),
				}
				for kind := range got {
					if !bytes.Equal(got[kind], want[i][kind]) {
						t.Errorf("%d, %d: %x, expected %x", i, kind, got[kind], want[i][kind])
					}
				}
			}
		})
	}

	group.Wait()
}

func BenchmarkHash(b *testing.B) {
	p := goldenPepper(b)
	parts := apikey.Parts{
		Environment: apikey.Production,
		KeyID:       "7Qm2Xb0aVd91KtZs",
		Random:      "0123456789abcdefghijABCDEFGHIJKL",
	}

	b.Run("secret", func(b *testing.B) {
		b.ReportAllocs()

		for b.Loop() {
			p.Hash(parts)
		}
	})

	b.Run("seal", func(b *testing.B) {
		row := make([]byte, 1000)

		b.ReportAllocs()

		for b.Loop() {
			p.Seal(row)
		}
	})
}
