package mta

import "testing"

func TestDirectHop(t *testing.T) {
	for via, want := range map[string]string{
		"gate.example.net":      "[gate.example.net]",
		"gate.example.net:2525": "[gate.example.net]:2525",
		"192.0.2.1":             "[192.0.2.1]",
		"192.0.2.1:25":          "[192.0.2.1]:25",
		"2001:db8::1":           "[2001:db8::1]",
		"[2001:db8::1]":         "[2001:db8::1]",
		"[2001:db8::1]:25":      "[2001:db8::1]:25",
	} {
		if got := directHop(via); got != want {
			t.Errorf("%s is %s, want %s", via, got, want)
		}
	}
}
