package main

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/route"
)

func TestRules(t *testing.T) {
	for _, tt := range []struct{ to, header, want string }{
		{"support", "Subject: help", "handle ticket"},
		{"Support", "Auto-Submitted: auto-replied", "deliver staff Automatic"},
		{"support", "Auto-Submitted: no", "handle ticket"},
		{"customer-123456", "", "deliver staff Customers/123456"},
		{"customer-12345", "", "reject 5.1.1"},
		{"customer-12345x", "", "reject 5.1.1"},
		{"staff", "Subject: hello", "deliver staff"},
		{"staff", "List-Id: Gophers <gophers.example.net>", "deliver staff Lists"},
		{"postmaster", "", "handle ticket"},
		{"nobody", "", "reject 5.1.1"},
	} {
		mail := &route.Mail{
			Remote:   netip.MustParseAddr("192.0.2.1"),
			Envelope: &postrider.Envelope{},
			Content:  postrider.String(tt.header + "\r\n\r\ntext\r\n"),
		}
		to := postrider.Recipient{ForwardPath: postrider.Address{Local: tt.to, Domain: "example.org"}}
		decisions := route.Resolve(t.Context(), rules(), mail, to)
		if len(decisions) != 1 {
			t.Fatalf("%s: %d decisions", tt.to, len(decisions))
		}
		a := decisions[0].Action
		got := strings.TrimSpace(strings.Join([]string{string(a.Kind), a.Account + a.Name, a.Mailbox}, " "))
		if a.Status != nil {
			got = string(a.Kind) + " " + a.Status.Code
		}
		if got != tt.want {
			t.Errorf("%s with %q: %s, want %s", tt.to, tt.header, got, tt.want)
		}
	}
}
