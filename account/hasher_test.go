package account

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The test vectors of the reference implementation of Argon2, for Argon2id version 1.3.
var argonVectors = []struct{ hash, password string }{
	{"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "password"},
	{"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc", "password"},
}

func TestHashesOfTheReferenceImplementationVerify(t *testing.T) {
	h := &Hasher{Remember: -1}
	for _, v := range argonVectors {
		if err := h.Verify(t.Context(), v.hash, v.password); err != nil {
			t.Errorf("%s: %v", v.hash, err)
		}
		if err := h.Verify(t.Context(), v.hash, "differentpassword"); err != ErrCredentials {
			t.Errorf("%s with a wrong password: %v", v.hash, err)
		}
	}
}

func TestAHashIsSaltedAndVerifies(t *testing.T) {
	h := &Hasher{Memory: 1024, Time: 1, Threads: 2}
	first, err1 := h.Hash(t.Context(), "p\u00e4ss")
	second, err2 := h.Hash(t.Context(), "p\u00e4ss")
	if err1 != nil || err2 != nil || first == second {
		t.Fatalf("%q, %v; %q, %v", first, err1, second, err2)
	}
	if !strings.HasPrefix(first, "$argon2id$v=19$m=1024,t=1,p=2$") {
		t.Error(first)
	}
	for password, want := range map[string]error{"p\u00e4ss": nil, "pa\u0308ss": nil, "pass": ErrCredentials, "": ErrCredentials} {
		if err := h.Verify(t.Context(), first, password); err != want {
			t.Errorf("Verify(%q) = %v, want %v", password, err, want)
		}
	}
}

func TestTheEmptyHashIsOfNoPassword(t *testing.T) {
	h := &Hasher{Memory: 64, Time: 1}
	for _, password := range []string{"", "x"} {
		if err := h.Verify(t.Context(), "", password); err != ErrCredentials {
			t.Errorf("Verify(%q) = %v", password, err)
		}
	}
}

func TestParametersOutOfBoundsAreRefused(t *testing.T) {
	for _, h := range []*Hasher{{Memory: 1<<20 + 1}, {Memory: 7}, {Memory: 15, Threads: 2}, {Time: 65}} {
		if hash, err := h.Hash(t.Context(), "x"); err == nil {
			t.Errorf("%d KiB, %d passes, %d threads: %s", h.Memory, h.Time, h.Threads, hash)
		}
	}
}

func TestCheckHash(t *testing.T) {
	const good = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	for name, tt := range map[string]struct {
		old, new string
		ok       bool
	}{
		"as it is":                       {"", "", true},
		"the least memory":               {"m=256", "m=8", true},
		"too little memory":              {"m=256", "m=7", false},
		"the most memory":                {"m=256", "m=1048576", true},
		"too much memory":                {"m=256", "m=1048577", false},
		"memory beyond 32 bits":          {"m=256", "m=4294967552", false},
		"the most passes":                {"t=2", "t=64", true},
		"too many passes":                {"t=2", "t=65", false},
		"no passes":                      {"t=2", "t=0", false},
		"the most threads":               {"m=256,t=2,p=1$", "m=2040,t=2,p=255$", true},
		"too many threads":               {"m=256,t=2,p=1$", "m=4096,t=2,p=256$", false},
		"no threads":                     {"p=1", "p=0", false},
		"another version":                {"v=19", "v=16", false},
		"no version":                     {"v=19$", "", false},
		"another kind of Argon2":         {"argon2id", "argon2i", false},
		"a leading zero":                 {"t=2", "t=02", false},
		"a sign":                         {"t=2", "t=+2", false},
		"parameters in another order":    {"t=2,p=1", "p=1,t=2", false},
		"a parameter more":               {"p=1", "p=1,keyid=x", false},
		"a salt too short":               {"c29tZXNhbHQ", "c29tZXNhbA", false},
		"the longest salt":               {"c29tZXNhbHQ", strings.Repeat("AAAA", 21) + "AA", true},
		"a salt too long":                {"c29tZXNhbHQ", strings.Repeat("AAAA", 22), false},
		"a salt with padding":            {"c29tZXNhbHQ", "c29tZXNhbHQ=", false},
		"a salt with loose bits":         {"c29tZXNhbHQ", "c29tZXNhbHR", false},
		"a salt with a line break":       {"c29tZXNhbHQ", "c29tZX\nNhbHQ", false},
		"the shortest hash":              {"nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "nf65EOgLrQMR/uIPnA4rEg", true},
		"a hash too short":               {"nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "nf65EOgLrQMR/uIPnA4r", false},
		"no hash":                        {"$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "", false},
		"one part more":                  {"Gi/4", "Gi/4$", false},
		"nothing":                        {good, "", false},
		"a password in the clear":        {good, "secret", false},
		"a hash of another scheme":       {good, "$2y$10$abcdefghijklmnopqrstuv", false},
		"a hash with a space behind it":  {"Gi/4", "Gi/4 ", false},
		"a hash with a space before it":  {"$argon2id", " $argon2id", false},
		"a hash in URL base64":           {"R/uIP", "R_uIP", false},
		"a hash with one octet replaced": {"Gi/4", "Gi/8", true},
	} {
		hash := good
		if tt.old != "" {
			if !strings.Contains(good, tt.old) {
				t.Fatalf("%s: nothing to replace", name)
			}
			hash = strings.Replace(good, tt.old, tt.new, 1)
		}
		if err := CheckHash(hash); (err == nil) != tt.ok {
			t.Errorf("%s: CheckHash(%q) = %v", name, hash, err)
		}
	}
}

func FuzzPHC(f *testing.F) {
	for _, v := range argonVectors {
		f.Add(v.hash)
	}
	f.Add("$argon2id$v=19$m=8,t=1,p=1$$")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parsePHC(s)
		if err != nil {
			return
		}
		if again := h.String(); again != s {
			t.Fatalf("%q is written back as %q", s, again)
		}
	})
}

func TestARightPasswordIsRememberedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &Hasher{Memory: 64, Time: 1}
		hash, err := h.Hash(t.Context(), "secret")
		if err != nil {
			t.Fatal(err)
		}
		// Whoever must compute finds no turn, and gives up.
		remembered := func(hash, password string) bool {
			h.turns <- struct{}{}
			for len(h.turns) < cap(h.turns) {
				h.turns <- struct{}{}
			}
			defer func() {
				for len(h.turns) > 0 {
					<-h.turns
				}
			}()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := h.Verify(ctx, hash, password)
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			return err == nil
		}
		if remembered(hash, "secret") {
			t.Error("remembered before it was ever right")
		}
		if err := h.Verify(t.Context(), hash, "secret"); err != nil {
			t.Fatal(err)
		}
		if err := h.Verify(t.Context(), hash, "wrong"); err != ErrCredentials {
			t.Fatal(err)
		}
		if !remembered(hash, "secret") {
			t.Error("forgotten at once")
		}
		if remembered(hash, "wrong") || remembered("", "secret") {
			t.Error("what was wrong is remembered")
		}
		if other := strings.Replace(hash, "t=1", "t=2", 1); remembered(other, "secret") {
			t.Error("remembered although the stored hash changed")
		}
		time.Sleep(9 * time.Minute)
		if !remembered(hash, "secret") {
			t.Error("forgotten within ten minutes")
		}
		time.Sleep(time.Minute)
		if remembered(hash, "secret") {
			t.Error("remembered after ten minutes")
		}
		h.Remember = -1
		if err := h.Verify(t.Context(), hash, "secret"); err != nil {
			t.Fatal(err)
		}
		if remembered(hash, "secret") {
			t.Error("remembered although Remember is negative")
		}
	})
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	for _, most := range []int{1, 5, 20} {
		h := &Hasher{Memory: 8, Time: 1, Remember: most}
		hash, err := h.Hash(t.Context(), "secret")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			h.remember(hash, strings.Repeat("x", i+1))
			if n := len(h.right); n > most || n == 0 {
				t.Fatalf("%d are remembered, want at most %d", n, most)
			}
			if !h.remembers(hash, strings.Repeat("x", i+1)) {
				t.Fatal("the latest is forgotten")
			}
		}
	}
}

func TestHashesAtOnceAreBounded(t *testing.T) {
	h := &Hasher{Memory: 8, Time: 1, Concurrency: 2}
	hash, err := h.Hash(t.Context(), "secret")
	if err != nil {
		t.Fatal(err)
	}
	h.turns <- struct{}{}
	h.turns <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := h.Verify(ctx, hash, "secret"); err != context.Canceled {
			t.Errorf("Verify without a turn = %v", err)
		}
	})
	wg.Go(func() {
		if _, err := h.Hash(ctx, "secret"); err != context.Canceled {
			t.Errorf("Hash without a turn = %v", err)
		}
	})
	cancel()
	wg.Wait()
	<-h.turns
	if err := h.Verify(t.Context(), hash, "secret"); err != nil {
		t.Errorf("Verify with a turn = %v", err)
	}
}

func BenchmarkVerify(b *testing.B) {
	h := &Hasher{}
	hash, err := h.Hash(b.Context(), "secret")
	if err != nil {
		b.Fatal(err)
	}
	for name, remember := range map[string]int{"computed": -1, "remembered": 0} {
		b.Run(name, func(b *testing.B) {
			h.Remember = remember
			for b.Loop() {
				if err := h.Verify(b.Context(), hash, "secret"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
