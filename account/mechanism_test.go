package account

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzExchange plays a client that sends whatever it likes: it must end as ann, by
// ann's password, or as nobody.
func FuzzExchange(f *testing.F) {
	f.Add("PLAIN", []byte("\x00ann\x00secret"), []byte(nil), []byte(nil))
	f.Add("PLAIN", []byte(nil), []byte("ann\x00ann\x00secret"), []byte(nil))
	f.Add("LOGIN", []byte(nil), []byte("ann"), []byte("secret"))
	f.Add("LOGIN", []byte("ann"), []byte("secret"), []byte("more"))
	f.Add("login", []byte{}, []byte{}, []byte{})
	f.Add("PLAIN", []byte("bob\x00ann\x00secret"), []byte("\x00\x00\x00"), []byte(nil))
	f.Fuzz(func(t *testing.T, mechanism string, first, second, third []byte) {
		a, _ := newAuthenticator(Limits{})
		e, err := a.Start(t.Context(), mechanism, home)
		if err != nil {
			if !errors.Is(err, ErrMechanism) {
				t.Fatal(err)
			}
			return
		}
		over := false
		for _, r := range [][]byte{first, second, third} {
			challenge, done, err := e.Next(r)
			if over && !errors.Is(err, ErrExchange) {
				t.Fatalf("after its end: %v", err)
			}
			if err != nil && (done || challenge != nil || !over && e.Identity() != Identity{}) {
				t.Fatalf("Next = %q, %v, %v; %+v", challenge, done, err, e.Identity())
			}
			over = over || done || err != nil
		}
		sent := bytes.Join([][]byte{first, second, third}, nil)
		if e.Identity().Account != "" && (!bytes.Contains(sent, []byte("secret")) || e.Identity().Account != "ann-account") {
			t.Fatalf("%q %q %q logged in as %+v", first, second, third, e.Identity())
		}
	})
}
