package resolve

import (
	"context"
	"net/netip"
	"slices"
)

// maxConfirmed bounds the names tried for one address (RFC 7208 §4.6.4).
const maxConfirmed = 10

// Confirmed returns those of addr's names that lead back to addr: the only ones
// that are more than a claim (RFC 8601 §3). At most ten names are tried.
//
// Without one it returns an error: that of the PTR question, or a temporary one
// if some name could not be tried now, or else one of Kind NoData.
func Confirmed(ctx context.Context, r Resolver, addr netip.Addr) (Answer[string], error) {
	ptr, err := checked(r.PTR(ctx, addr))
	if err != nil {
		return ptr, err
	}
	addr = addr.Unmap().WithZone("")
	forward := r.AAAA
	if addr.Is4() {
		forward = r.A
	}
	good := Answer[string]{Name: ptr.Name, Authentic: ptr.Authentic, TTL: ptr.TTL}
	err = &Error{Kind: NoData, Name: ptr.Name, Type: "PTR", TTL: ptr.TTL}
	for _, name := range ptr.Records[:min(len(ptr.Records), maxConfirmed)] {
		a, ferr := forward(ctx, name)
		switch {
		case IsTemporary(ferr):
			err = ferr
		case ferr == nil && slices.Contains(a.Records, addr):
			good.Records = append(good.Records, name)
			good.Authentic = good.Authentic && a.Authentic
			good.TTL = min(good.TTL, a.TTL)
		}
	}
	if len(good.Records) > 0 {
		return good, nil
	}
	return Answer[string]{}, err
}
