package resolvetest

import (
	"strings"
	"testing"
	"time"

	"github.com/postrider/postrider/resolve"
)

func TestZoneTextsThatAreWrongAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"example.org. MX mx.example.org.":                                    "line: 2",
		"\n\texample.org. A 192.0.2.1\n\texample.org. A 192.0.2.256\n":       "line: 3",
		"a.test. CNAME b.test.\na.test. A 192.0.2.1":                         "CNAME and other data",
		"a.test. CNAME b.test.\na.test. CNAME c.test.":                       "CNAME and other data",
		"$INCLUDE /etc/passwd":                                               "$INCLUDE",
		strings.Repeat("a", 64) + ".test. A 192.0.2.1":                       "owner name",
		`a.test. TXT "` + strings.Repeat("x", 10) + "\n" + "b.test. A 1.2.3": "line",
	} {
		if _, err := ParseZone(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q in it", text, err, want)
		}
	}
}

func TestMustZoneAndNamesPanicOnATestsMistake(t *testing.T) {
	for name, f := range map[string]func(){
		"MustZone":     func() { MustZone("nonsense") },
		"Fail":         func() { MustZone("").Fail("a..b", "", Drop) },
		"Delay":        func() { MustZone("").Delay("bücher.test", time.Second) },
		"SetAuthentic": func() { MustZone("").SetAuthentic("", true) },
	} {
		func() {
			defer func() {
				if s, ok := recover().(string); !ok || !strings.HasPrefix(s, "resolvetest: ") {
					t.Errorf("%s did not panic", name)
				}
			}()
			f()
		}()
	}
}

func TestZoneLiberties(t *testing.T) {
	z := MustZone(`
		no.dot MX 10 mx.no.dot      ; relative to the root
		$ORIGIN below.test.
		mx       A 192.0.2.1
		         A 192.0.2.2        ; the same owner
		@    60  A 192.0.2.3
		late     A 192.0.2.4
	`)
	mx, err := z.MX(t.Context(), "no.dot")
	if err != nil || mx.Records[0].Host != "mx.no.dot" || mx.TTL != time.Hour {
		t.Errorf("%+v, %v", mx, err)
	}
	a, err := z.A(t.Context(), "mx.below.test")
	if err != nil || len(a.Records) != 2 {
		t.Errorf("%+v, %v", a, err)
	}
	if a, err = z.A(t.Context(), "below.test"); err != nil || a.TTL != time.Minute {
		t.Errorf("%+v, %v", a, err)
	}
	if a, err = z.A(t.Context(), "late.below.test"); err != nil || a.TTL != time.Hour {
		t.Errorf("a TTL given once holds for later records: %+v, %v", a, err)
	}
}

func TestLoadReplacesTheRecordsAndKeepsTheRest(t *testing.T) {
	z := MustZone("a.test. A 192.0.2.1")
	z.SetAuthentic("test", true)
	z.Fail("b.test", "A", ServFail)
	if err := z.Load("b.test. A 192.0.2.2\nc.test. A 192.0.2.3"); err != nil {
		t.Fatal(err)
	}
	if err := z.Load("nonsense"); err == nil {
		t.Error("nonsense was loaded")
	}
	if _, err := z.A(t.Context(), "a.test"); resolve.KindOf(err) != resolve.NXDomain {
		t.Errorf("what is gone: %v", err)
	}
	if _, err := z.A(t.Context(), "b.test"); !resolve.IsTemporary(err) {
		t.Errorf("a fault from before: %v", err)
	}
	if c, err := z.A(t.Context(), "c.test"); err != nil || !c.Authentic {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestTheClosestSettingOfAuthenticityCounts(t *testing.T) {
	z := MustZone("*.a.test. A 192.0.2.1\nx.b.a.test. A 192.0.2.1\ny.c.b.a.test. A 192.0.2.1\nother. A 192.0.2.1")
	z.SetAuthentic("a.test", true)
	z.SetAuthentic("b.a.test", false)
	z.SetAuthentic("c.b.a.test", true)
	for name, want := range map[string]bool{"w.a.test": true, "x.b.a.test": false, "y.c.b.a.test": true, "other": false} {
		if a, err := z.A(t.Context(), name); err != nil || a.Authentic != want {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}

func TestFaultsConcernTheirNameAndType(t *testing.T) {
	z := MustZone("a.test. A 192.0.2.1\na.test. TXT x\nalias.test. CNAME a.test.\nb.test. A 192.0.2.1")
	z.Fail("A.test.", "A", ServFail)
	_, errA := z.A(t.Context(), "a.test")
	_, errAlias := z.A(t.Context(), "alias.test")
	_, errTXT := z.TXT(t.Context(), "a.test")
	_, errB := z.A(t.Context(), "b.test")
	if errA == nil || errAlias == nil || errTXT != nil || errB != nil {
		t.Errorf("errors %v, %v, %v, %v", errA, errAlias, errTXT, errB)
	}
	z.Fail("a.test", "A", 0)
	if _, err := z.A(t.Context(), "a.test"); err != nil {
		t.Errorf("a fault taken back: %v", err)
	}
	for _, f := range []Fault{Truncate, NoEDNS} { // of the wire, with an answer all the same
		z.Fail("a.test", "", f)
		if _, err := z.A(t.Context(), "a.test"); err != nil {
			t.Errorf("fault %d: %v", f, err)
		}
	}
}
