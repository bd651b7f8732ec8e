package account

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-sasl"
)

var (
	home     = Peer{Addr: netip.MustParseAddr("192.0.2.1"), AllowPlaintext: true, Protocol: "imap"}
	stranger = Peer{Addr: netip.MustParseAddr("198.51.100.7"), AllowPlaintext: true, Protocol: "smtp"}
)

// oneAccount knows ann, whose password is "secret", and counts what it is asked.
type oneAccount struct {
	Funcs
	asked atomic.Int64
}

func newOneAccount() *oneAccount {
	d := new(oneAccount)
	d.VerifyFunc = func(ctx context.Context, login, password string) (string, error) {
		d.asked.Add(1)
		switch {
		case login == "down":
			return "", errors.New("database is down")
		case login == "off" && password == "secret":
			return "", ErrDisabled
		case (login == "ann" || login == "ann@example.org") && password == "secret":
			return "ann-account", nil
		}
		return "", ErrCredentials
	}
	return d
}

func newAuthenticator(l Limits) (*Authenticator, *oneAccount) {
	d := newOneAccount()
	return &Authenticator{Directory: d, Limits: l, Logger: slog.New(slog.DiscardHandler)}, d
}

// login returns just the error.
func login(t *testing.T, a *Authenticator, peer Peer, login, password string) error {
	_, err := a.Password(t.Context(), peer, login, password)
	return err
}

func TestAPasswordShowsWhoLoggedIn(t *testing.T) {
	a, _ := newAuthenticator(Limits{})
	got, err := a.Password(t.Context(), home, "Ann@EXAMPLE.org", "secret")
	if want := (Identity{Account: "ann-account", Login: "Ann@EXAMPLE.org", Mechanism: "password"}); got != want || err != nil {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// S21: no plaintext mechanism without TLS (RFC 4954 §4).
func TestAPasswordNeedsTLS(t *testing.T) {
	a, d := newAuthenticator(Limits{})
	open := Peer{Addr: home.Addr}
	if err := login(t, a, open, "ann", "secret"); err != ErrEncryption {
		t.Errorf("Password without TLS = %v", err)
	}
	if got := a.Mechanisms(open); len(got) != 0 {
		t.Errorf("mechanisms without TLS: %v", got)
	}
	if _, err := a.Start(t.Context(), "plain", open); err != ErrEncryption {
		t.Errorf("Start without TLS = %v", err)
	}
	if d.asked.Load() != 0 {
		t.Error("the directory was asked")
	}
	open.TLS = new(tls.ConnectionState)
	if err := login(t, a, open, "ann", "secret"); err != nil {
		t.Errorf("Password with TLS = %v", err)
	}
	if got := strings.Join(a.Mechanisms(open), " "); got != "PLAIN LOGIN" {
		t.Errorf("mechanisms with TLS: %v", got)
	}
}

func TestErrorsOfADirectoryAreTemporaryUnlessTheyAreOurs(t *testing.T) {
	a, _ := newAuthenticator(Limits{PerLogin: 1})
	for range 5 { // no failed login of the client's
		if err := login(t, a, home, "down", "secret"); err == nil || errors.Is(err, ErrCredentials) || errors.Is(err, ErrTooMany) {
			t.Fatalf("directory down: %v", err)
		}
		if err := login(t, a, home, "off", "secret"); err != ErrDisabled {
			t.Fatalf("disabled: %v", err)
		}
	}
	if err := login(t, &Authenticator{Logger: slog.New(slog.DiscardHandler)}, home, "ann", "secret"); err == nil || errors.Is(err, ErrCredentials) {
		t.Errorf("without a directory: %v", err)
	}
}

func TestWhatCannotBeALoginIsRefusedUnasked(t *testing.T) {
	a, d := newAuthenticator(Limits{PerLogin: -1, PerAddress: -1, PerNetwork: -1})
	for _, bad := range [][2]string{
		{"", "secret"}, {"ann", ""}, {"ann\x00", "secret"}, {"ann", "sec\x00ret"}, {"\xff", "secret"}, {"ann", "\xff"},
		{strings.Repeat("a", MaxLoginLen+1), "secret"}, {"ann", strings.Repeat("s", MaxPasswordLen+1)},
	} {
		if err := login(t, a, home, bad[0], bad[1]); err != ErrCredentials {
			t.Errorf("%.20q, %.20q: %v", bad[0], bad[1], err)
		}
	}
	if d.asked.Load() != 0 {
		t.Error("the directory was asked")
	}
}

func TestSecretsAreNeverLogged(t *testing.T) {
	var log bytes.Buffer
	a, _ := newAuthenticator(Limits{PerLogin: 2})
	a.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, p := range []string{"secret", "hunter2-a", "hunter2-b", "hunter2-c", "hunter2\x00d", "hunter2\xff"} {
		login(t, a, home, "ann", p)
		login(t, a, home, "down", p)
		exchange(t, a, home, "PLAIN", "\x00ann\x00"+p)
		exchange(t, a, home, "PLAIN", "\x00ann\x00"+p+"\x00")
		exchange(t, a, home, "LOGIN", "ann", p)
	}
	if s := log.String(); strings.Contains(s, "secret") || strings.Contains(s, "hunter2") {
		t.Errorf("the log shows a password:\n%s", s)
	}
	for _, want := range []string{"msg=auth", "protocol=imap", "remote=192.0.2.1", "login=ann", "account=ann-account", "mechanism=PLAIN", "level=ERROR", `err="database is down"`, `err="wrong name or password"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
}

// exchange plays a client that sends the given responses, the first as its initial
// response unless it is "-".
func exchange(t *testing.T, a *Authenticator, peer Peer, mechanism string, responses ...string) (Identity, error) {
	e, err := a.Start(t.Context(), mechanism, peer)
	if err != nil {
		return Identity{}, err
	}
	for _, r := range responses {
		response := []byte(r)
		if r == "-" {
			response = nil
		}
		_, done, err := e.Next(response)
		if err != nil || done {
			if _, _, again := e.Next([]byte("x")); !errors.Is(again, ErrExchange) {
				t.Errorf("%s after its end: %v", mechanism, again)
			}
			return e.Identity(), err
		}
	}
	return e.Identity(), nil
}

func TestMechanisms(t *testing.T) {
	ann := func(mechanism string) Identity {
		return Identity{Account: "ann-account", Login: "ann", Mechanism: mechanism}
	}
	for name, tt := range map[string]struct {
		mechanism string
		responses []string
		want      Identity
		err       error
	}{
		"PLAIN with an initial response":            {"PLAIN", []string{"\x00ann\x00secret"}, ann("PLAIN"), nil},
		"its name in any case":                      {"plain", []string{"\x00ann\x00secret"}, ann("PLAIN"), nil},
		"PLAIN without one":                         {"PLAIN", []string{"-", "\x00ann\x00secret"}, ann("PLAIN"), nil},
		"PLAIN acting as the login":                 {"PLAIN", []string{"ANN\x00ann\x00secret"}, ann("PLAIN"), nil},
		"PLAIN acting as the account":               {"PLAIN", []string{"ann-account\x00ann\x00secret"}, ann("PLAIN"), nil},
		"PLAIN acting as somebody else":             {"PLAIN", []string{"bob\x00ann\x00secret"}, Identity{}, ErrCredentials},
		"PLAIN with a wrong password":               {"PLAIN", []string{"\x00ann\x00wrong"}, Identity{}, ErrCredentials},
		"PLAIN of a disabled account":               {"PLAIN", []string{"\x00off\x00secret"}, Identity{}, ErrDisabled},
		"PLAIN with an empty initial response":      {"PLAIN", []string{""}, Identity{}, ErrExchange},
		"PLAIN without a password":                  {"PLAIN", []string{"\x00ann"}, Identity{}, ErrExchange},
		"PLAIN with too many parts":                 {"PLAIN", []string{"\x00ann\x00secret\x00"}, Identity{}, ErrExchange},
		"PLAIN without a login":                     {"PLAIN", []string{"\x00\x00secret"}, Identity{}, ErrCredentials},
		"PLAIN whose response never comes":          {"PLAIN", []string{"-"}, Identity{}, nil},
		"LOGIN":                                     {"LOGIN", []string{"-", "ann", "secret"}, ann("LOGIN"), nil},
		"LOGIN with an initial response":            {"LOGIN", []string{"ann", "secret"}, ann("LOGIN"), nil},
		"LOGIN with a wrong password":               {"LOGIN", []string{"-", "ann", "wrong"}, Identity{}, ErrCredentials},
		"LOGIN with an empty login":                 {"LOGIN", []string{"-", "", "secret"}, Identity{}, ErrCredentials},
		"LOGIN with an empty initial response":      {"LOGIN", []string{"", "secret"}, Identity{}, ErrCredentials},
		"a mechanism that is none":                  {"CRAM-MD5", nil, Identity{}, ErrMechanism},
		"a mechanism with an empty name":            {"", nil, Identity{}, ErrMechanism},
		"PLAIN, its response longer than we accept": {"PLAIN", []string{"\x00ann\x00" + strings.Repeat("x", 12288)}, Identity{}, ErrCredentials},
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := newAuthenticator(Limits{})
			got, err := exchange(t, a, home, tt.mechanism, tt.responses...)
			if got != tt.want || !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Errorf("got %+v, %v, want %+v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestTheChallengesOfLOGINAreThoseThatClientsLookFor(t *testing.T) {
	a, _ := newAuthenticator(Limits{})
	e, err := a.Start(t.Context(), sasl.Login, home)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ response, challenge string }{{"", "Username:"}, {"ann", "Password:"}} {
		var r []byte
		if step.response != "" {
			r = []byte(step.response)
		}
		if got, done, err := e.Next(r); string(got) != step.challenge || done || err != nil {
			t.Fatalf("Next(%q) = %q, %v, %v", step.response, got, done, err)
		}
	}
}

func TestACancelledExchangeIsOverAndCostsNothing(t *testing.T) {
	a, d := newAuthenticator(Limits{PerLogin: 1, PerAddress: 1})
	for range 3 {
		e, err := a.Start(t.Context(), "PLAIN", home)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := e.Next(nil); err != nil {
			t.Fatal(err)
		}
		e.Cancel()
		if _, _, err := e.Next([]byte("\x00ann\x00secret")); !errors.Is(err, ErrExchange) {
			t.Errorf("Next after Cancel = %v", err)
		}
	}
	if n := d.asked.Load(); n != 0 {
		t.Errorf("the directory was asked %d times", n)
	}
}

func TestAnExchangeEndsWithItsContext(t *testing.T) {
	a, _ := newAuthenticator(Limits{})
	a.Directory = Funcs{VerifyFunc: func(ctx context.Context, login, password string) (string, error) {
		return "", ctx.Err()
	}}
	ctx, cancel := context.WithCancel(t.Context())
	e, err := a.Start(ctx, "PLAIN", home)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, _, err := e.Next([]byte("\x00ann\x00secret")); !errors.Is(err, context.Canceled) {
		t.Errorf("Next = %v", err)
	}
}

// Limits

// guess tries n different wrong passwords and returns how many the directory heard of.
func guess(t *testing.T, a *Authenticator, d *oneAccount, peer Peer, login string, n int) int64 {
	before := d.asked.Load()
	for i := range n {
		if _, err := a.Password(t.Context(), peer, login, fmt.Sprintf("guess %d at %s", i, time.Now())); err == nil {
			t.Fatal("a guess succeeded")
		}
	}
	return d.asked.Load() - before
}

func TestFailuresOfALoginMakeItWaitTwiceAsLongEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, d := newAuthenticator(Limits{})
		if n := guess(t, a, d, home, "ann", 100); n != 5 {
			t.Fatalf("%d guesses were checked, want 5", n)
		}
		wait := 10 * time.Second
		for range 15 {
			time.Sleep(wait - time.Nanosecond)
			if err := login(t, a, home, "ann", "secret"); !errors.Is(err, ErrTooMany) {
				t.Fatalf("before %v are over: %v", wait, err)
			}
			time.Sleep(time.Nanosecond)
			if n := guess(t, a, d, home, "ann", 10); n != 1 {
				t.Fatalf("after %v: %d guesses were checked, want 1", wait, n)
			}
			wait = min(2*wait, time.Hour)
		}
		if wait != time.Hour {
			t.Errorf("the longest wait is %v", wait)
		}
	})
}

func TestTheOwnerElsewhereIsNotLockedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, d := newAuthenticator(Limits{})
		guess(t, a, d, stranger, "ann", 100)
		if err := login(t, a, home, "ann", "secret"); err != nil {
			t.Errorf("the owner at home: %v", err)
		}
		if err := login(t, a, stranger, "ann@example.org", "secret"); err != nil {
			t.Errorf("another login where the stranger is: %v", err)
		}
	})
}

func TestTheLimitsSpanProtocolsAndMechanisms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, d := newAuthenticator(Limits{})
		pop := home
		pop.Protocol = "pop3"
		guess(t, a, d, home, "ann", 3)
		guess(t, a, d, pop, "ANN", 2)
		if _, err := exchange(t, a, home, "PLAIN", "\x00ann\x00secret"); !errors.Is(err, ErrTooMany) {
			t.Errorf("PLAIN after five failures = %v", err)
		}
	})
}

func TestSuccessForgivesTheFailuresOfThatLoginOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, d := newAuthenticator(Limits{PerLogin: 5, PerAddress: 10})
		for range 5 { // never more than four in a row, and all forgiven
			if n := guess(t, a, d, home, "ann", 4); n != 4 {
				t.Fatalf("%d guesses were checked, want 4", n)
			}
			if err := login(t, a, home, "ann", "secret"); err != nil {
				t.Fatal(err)
			}
		}
		// Whoever owns ann buys no guesses at others with it.
		checked := int64(0)
		for i := range 20 {
			checked += guess(t, a, d, home, fmt.Sprint("user", i), 1)
			login(t, a, home, "ann", "secret")
		}
		if checked != 10 {
			t.Errorf("%d guesses at others were checked, want 10", checked)
		}
	})
}

func TestAnAddressThatGuessesAtManyLoginsMustWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, d := newAuthenticator(Limits{})
		checked := int64(0)
		for i := range 100 {
			checked += guess(t, a, d, stranger, fmt.Sprint("user", i), 1)
		}
		if checked != 30 {
			t.Errorf("%d guesses were checked, want 30", checked)
		}
		if _, err := a.Start(t.Context(), "PLAIN", stranger); !errors.Is(err, ErrTooMany) {
			t.Errorf("Start = %v", err)
		}
		if _, err := a.Start(t.Context(), "PLAIN", home); err != nil {
			t.Errorf("Start elsewhere = %v", err)
		}
		time.Sleep(10 * time.Second)
		if _, err := a.Start(t.Context(), "PLAIN", stranger); err != nil {
			t.Errorf("Start after the wait = %v", err)
		}
	})
}

func TestANetworkThatGuessesFromManyAddressesMustWait(t *testing.T) {
	for name, addr := range map[string]func(i int) string{
		"an IPv4 /24": func(i int) string { return fmt.Sprintf("198.51.100.%d", i%250) },
		"an IPv6 /48": func(i int) string { return fmt.Sprintf("2001:db8:1:%x::%x", i, i) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, d := newAuthenticator(Limits{})
				checked := int64(0)
				for i := range 1000 {
					peer := Peer{Addr: netip.MustParseAddr(addr(i)), AllowPlaintext: true}
					checked += guess(t, a, d, peer, fmt.Sprint("user", i), 1)
				}
				if checked != 300 {
					t.Errorf("%d guesses were checked, want 300", checked)
				}
			})
		})
	}
}

func TestACustomerThatGuessesFromManyIPv6AddressesMustWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, d := newAuthenticator(Limits{})
		checked := int64(0)
		for i := range 100 {
			peer := Peer{Addr: netip.MustParseAddr(fmt.Sprintf("2001:db8:1:2::%x", i)), AllowPlaintext: true}
			checked += guess(t, a, d, peer, fmt.Sprint("user", i), 1)
		}
		if checked != 30 {
			t.Errorf("%d guesses were checked, want 30", checked)
		}
	})
}

func TestAnAddressIsOneCustomer(t *testing.T) {
	for name, tt := range map[string]struct {
		first, second string
		same          bool
	}{
		"one IPv4 address":                  {"192.0.2.1", "192.0.2.1", true},
		"one IPv4 address, mapped":          {"192.0.2.1", "::ffff:192.0.2.1", true},
		"two IPv4 addresses":                {"192.0.2.1", "192.0.2.2", false},
		"two IPv6 addresses of one /64":     {"2001:db8::1", "2001:db8::ffff:2", true},
		"two IPv6 addresses of two /64":     {"2001:db8::1", "2001:db8:0:1::1", false},
		"one IPv6 address with two zones":   {"fe80::1%a", "fe80::1%b", true},
		"an address that nobody knows, and": {"", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, d := newAuthenticator(Limits{})
				first, second := Peer{AllowPlaintext: true}, Peer{AllowPlaintext: true}
				first.Addr, _ = netip.ParseAddr(tt.first)
				second.Addr, _ = netip.ParseAddr(tt.second)
				guess(t, a, d, first, "ann", 10)
				if err := login(t, a, second, "ann", "secret"); errors.Is(err, ErrTooMany) != tt.same {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestTheSameWrongPasswordAgainIsNoNewGuess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, d := newAuthenticator(Limits{})
		for range 1000 { // a forgotten telephone
			if err := login(t, a, home, "ann", "last year's"); err != ErrCredentials {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if err := login(t, a, home, "ann", "secret"); err != nil {
			t.Errorf("the owner beside the telephone: %v", err)
		}
		// Within five seconds the directory need not be asked.
		before := d.asked.Load()
		for range 100 {
			if err := login(t, a, home, "ann", "wrong"); err != ErrCredentials {
				t.Fatal(err)
			}
		}
		if n := d.asked.Load() - before; n != 1 {
			t.Errorf("the directory was asked %d times, want 1", n)
		}
	})
}

func TestFailuresAreForgottenInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, d := newAuthenticator(Limits{})
		for range 10 {
			if n := guess(t, a, d, home, "ann", 4); n != 4 {
				t.Fatalf("%d guesses were checked, want 4", n)
			}
			time.Sleep(time.Hour)
		}
	})
}

func TestNegativeLimitsAreNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, d := newAuthenticator(Limits{PerLogin: -1, PerAddress: -1, PerNetwork: -1})
		if n := guess(t, a, d, home, "ann", 1000); n != 1000 {
			t.Errorf("%d guesses were checked", n)
		}
	})
}

func TestTrustedNetworksHaveNoLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, d := newAuthenticator(Limits{Trusted: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
		if n := guess(t, a, d, home, "ann", 100); n != 100 {
			t.Errorf("%d guesses from the trusted network were checked", n)
		}
		if n := guess(t, a, d, stranger, "ann", 100); n != 5 {
			t.Errorf("%d guesses from elsewhere were checked", n)
		}
	})
}

// A thousand guesses that arrive at the same moment must not all pass before the first has failed.
func TestGuessesAtOnceAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, d := newAuthenticator(Limits{})
		slow := d.VerifyFunc
		d.VerifyFunc = func(ctx context.Context, login, password string) (string, error) {
			time.Sleep(30 * time.Millisecond)
			return slow(ctx, login, password)
		}
		for i := range 1000 {
			go a.Password(t.Context(), home, "ann", fmt.Sprint("guess ", i))
		}
		synctest.Wait()
		time.Sleep(time.Minute)
		if n := d.asked.Load(); n < 5 || n > 8 {
			t.Errorf("%d guesses were checked, want 5 and at most 3 that were under way", n)
		}
		before := d.asked.Load()
		for i := range 1000 {
			go a.Password(t.Context(), stranger, fmt.Sprint("user", i), "guess")
		}
		time.Sleep(time.Minute)
		if n := d.asked.Load() - before; n < 30 || n > 45 {
			t.Errorf("%d guesses at many logins were checked, want 30 and at most 15 that were under way", n)
		}
	})
}

// A mail program opens many connections at once, and all of them may log in.
func TestRightPasswordsAtOnceAllPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, d := newAuthenticator(Limits{})
		slow := d.VerifyFunc
		d.VerifyFunc = func(ctx context.Context, login, password string) (string, error) {
			time.Sleep(30 * time.Millisecond)
			return slow(ctx, login, password)
		}
		var failed atomic.Int64
		for range 200 {
			go func() {
				if login(t, a, home, "ann", "secret") != nil {
					failed.Add(1)
				}
			}()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := failed.Load(); n != 0 {
			t.Errorf("%d of 200 failed", n)
		}
		if n := len(a.guard.counts); n != 0 {
			t.Errorf("%d counts are left", n)
		}
	})
}

func TestWhoWaitsForATurnCanBeCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := newAuthenticator(Limits{})
		a.Directory = Funcs{VerifyFunc: func(ctx context.Context, login, password string) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}}
		ctx, cancel := context.WithCancel(t.Context())
		for range 10 {
			go a.Password(ctx, home, "ann", "secret")
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		if n := len(a.guard.counts); n != 0 {
			t.Errorf("%d counts are left", n)
		}
	})
}

func TestTheCountsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, d := newAuthenticator(Limits{Counts: 100})
		guess(t, a, d, home, "ann", 10)
		for i := range 5000 {
			peer := Peer{Addr: netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}), AllowPlaintext: true}
			guess(t, a, d, peer, "ann", 1)
		}
		if n := len(a.guard.counts); n > 100 {
			t.Errorf("%d counts", n)
		}
		if n := a.guard.recent.Len(); n > 100 {
			t.Errorf("%d recent counts", n)
		}
		if err := login(t, a, home, "ann", "secret"); err != nil {
			t.Errorf("what was forgotten still counts: %v", err)
		}
	})
}
