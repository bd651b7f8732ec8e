package interop

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestALoadMissesWhatWasLostDoubledOrMaimed(t *testing.T) {
	l, other := newLoad(3, 4<<10), newLoad(3, 4<<10)
	whole := [][]byte{l.message(nil, 0), l.message(nil, 1), l.message(nil, 2)}
	if size := len(whole[0]); size < 4<<10-2 || size > 4<<10+2 {
		t.Errorf("a message of 4 KiB has %d octets", size)
	}
	for _, tt := range []struct {
		name      string
		mailboxes [][]byte
		says      string // empty if all is well
	}{
		{"all there", whole, ""},
		{"in another order, with fields on top", [][]byte{append([]byte("Return-Path: <>\r\n"), whole[2]...), whole[0], whole[1]}, ""},
		{"with line ends of Unix", [][]byte{whole[0], bytes.ReplaceAll(whole[1], []byte("\r"), nil), whole[2]}, ""},
		{"beside another load", append(slices.Clone(whole), other.message(nil, 0)), ""},
		{"one lost", whole[:2], "1 are lost, and 0"},
		{"one twice", append(slices.Clone(whole), whole[0]), "0 are lost, and 1"},
		{"one cut short", [][]byte{whole[0], whole[1], whole[2][:4000]}, "message 2 is not whole"},
		{"one never sent", append(slices.Clone(whole), l.message(nil, 3)), `numbered "3"`},
	} {
		err := l.check(func(yield func([]byte)) error {
			for _, text := range tt.mailboxes {
				yield(text)
			}
			return nil
		})
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestRatiosCompareTurnsOfOneRound(t *testing.T) {
	var all table
	for round, rates := range [][3]float64{{100, 50, 20}, {10, 4, 5}, {900, 100, 300}} {
		for i, rate := range rates {
			all = append(all, &figures{server: contenders[i].name, connections: 16, round: round, rate: rate})
		}
	}
	var out strings.Builder
	all.write(&out)
	for _, want := range []string{
		"| 16 | postrider | 100 (10-900) | 2.00 |",
		"| 16 | postfix-maildir | 50 (4-100) | 0.80 |",
		"| 16 | dovecot-lmtp-sdbox | 20 (5-300) | 1.00 |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in%s", want, out.String())
		}
	}
}
