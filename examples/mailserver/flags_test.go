package main

import (
	"io"
	"strings"
	"testing"
)

func TestFlagsOfTheDemo(t *testing.T) {
	s, err := parseFlags(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !s.demo || len(s.accounts) != 2 || len(s.domains) != 1 {
		t.Errorf("got %+v", s)
	}
	if at := s.publicListener(); at != "" {
		t.Errorf("the demo listens on %s", at)
	}
}

func TestAccounts(t *testing.T) {
	for flag, want := range map[string][2]string{
		"ann@example.org:secret":           {"ann@example.org", "secret"},
		"ann@example.org:p@ss:word":        {"ann@example.org", "p@ss:word"},
		`"a:b"@example.org:secret`:         {`"a:b"@example.org`, "secret"},
		"ann@[IPv6:2001:db8::1]:secret":    {"ann@[IPv6:2001:db8::1]", "secret"},
		"ann@example.org:b@example.org:pw": {"ann@example.org", "b@example.org:pw"},
	} {
		var s settings
		if err := s.addAccount(flag); err != nil {
			t.Errorf("%s: %v", flag, err)
			continue
		}
		if a := s.accounts[0]; a.address.String() != want[0] || a.password != want[1] {
			t.Errorf("%s is %s with password %s", flag, a.address, a.password)
		}
	}
}

func TestWrongFlagsAreOneClearLine(t *testing.T) {
	for _, tt := range []struct {
		flags, says string
	}{
		{"-nonsense", "nonsense"},
		{"-account ann@example.org", "want address:password"},
		{"-account ann@example.org:", "password is empty"},
		{"-account ann@example.net:secret", "add -domain example.net"},
		{"-alias sales@example.org", "want address=address"},
		{"-alias sales@example.org=", "want address=address"},
		{"-alias sales@example.org=bob", "invalid address"},
		{"-alias sales@example.com=ann@example.org", "add -domain example.com"},
		{"-catchall example.org", "want domain=address"},
		{"-catchall example.com=ann@example.org", "not served"},
		{"-domain exa_mple.org", "bad character"},
		{"-hostname -", "-hostname"},
		{"-tls-cert chain.pem", "go together"},
		{"-smtp-port 0", "-smtp-port"},
		{"-smtp-port 65536", "-smtp-port"},
		{"-retry 0s", "-retry"},
		{"-dns 127.0.0.1", "-dns"},
		{"-log-level loud", "log-level"},
		{"-smtp 0.0.0.0:2525", "-account is needed"},
		{"-smtp :25 -retry -1s", "-account is needed"},
		{"-smtp :25 -retry -1s", "-retry"},
		{"-smtp 99999x", "-smtp 99999x: want host:port"},
		{"stray", "stray"},
	} {
		_, err := parseFlags(strings.Fields(tt.flags), io.Discard)
		if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want one line with %q", tt.flags, err, tt.says)
		}
	}
}

func TestHelpIsNoError(t *testing.T) {
	var out strings.Builder
	if status := run(t.Context(), []string{"-help"}, io.Discard, &out); status != 0 || !strings.Contains(out.String(), "-catchall") {
		t.Errorf("status %d: %s", status, out.String())
	}
}
