package message

import (
	"bytes"
	"errors"
	"os"
	"testing"
)

// Rows that a store has written stay readable: what changes these octets needs
// another version.
func TestBinaryFormIsThatOfVersion1(t *testing.T) {
	const golden = "testdata/binary-v1.golden"
	b := append(crlf([]byte(`From: "Lee, Ann" <@relay.test:ann@example.org>
Sender: bob@example.net
To: friends: carl@example.com;
Subject:
References: <a@b> <c@d>
Content-Language: en
Content-Disposition: inline; filename*=utf-8''%C3%A4
`)), sectionsExample...)
	s := summarize(t, b)
	got, err := s.AppendBinary([]byte("before"))
	if err != nil {
		t.Fatal(err)
	}
	got, ok := bytes.CutPrefix(got, []byte("before"))
	if !ok {
		t.Fatal("AppendBinary does not append")
	}
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
	var back Summary
	if err := back.UnmarshalBinary(want); err != nil {
		t.Fatal(err)
	}
	checkEqual(t, "version 1", &back, s)
}

func TestCorruptOctetsAreAnError(t *testing.T) {
	data, err := summarize(t, sectionsExample).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, i int, data []byte, must bool) {
		s := Summary{Preview: "as before"}
		err := s.UnmarshalBinary(data)
		if err == nil && must {
			t.Errorf("%s %d is no error", what, i)
		}
		if err != nil && (err != ErrCorrupt || s.Preview != "as before" || s.Structure != nil) {
			t.Errorf("%s %d: %v, %+v", what, i, err, s)
		}
		if _, err := DecodeEnvelope(data); err != nil && err != ErrCorrupt {
			t.Errorf("%s %d: envelope: %v", what, i, err)
		}
	}
	check("octets after", 0, append(bytes.Clone(data), 0), true)
	for i := range data {
		check("cut at", i, data[:i], true)
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			bad := bytes.Clone(data)
			bad[i] ^= flip
			check("flipped at", i, bad, i == 0)
		}
	}
}

func TestImpossibleOffsetsAreNotWritten(t *testing.T) {
	const big = 4 << 20
	for name, s := range map[string]*Summary{
		"size":           {Size: 2, Structure: &Part{End: 1}},
		"header size":    {Size: 2, HeaderSize: 1, Structure: &Part{End: 2}},
		"start":          {Size: 2, Structure: &Part{HeaderStart: 1, End: 2}},
		"body before":    {Size: 2, Structure: &Part{End: 2, Parts: []*Part{{HeaderStart: 1, End: 2}}}},
		"child outside":  {Size: 2, Structure: &Part{End: 2, Parts: []*Part{{End: 3}}}},
		"message inside": {Size: 2, Structure: &Part{End: 2, Message: &Part{End: 1}}},
		"long header":    {Size: big, HeaderSize: big, Structure: &Part{BodyStart: big, End: big}},
		"lines":          {Structure: &Part{Lines: -1}},
	} {
		if data, err := s.AppendBinary(nil); !errors.Is(err, errSummary) || len(data) > 0 {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
}

// A Summary made by hand, without a structure, is one of an opaque message.
func TestASummaryWithoutStructureIsWritten(t *testing.T) {
	data, err := (&Summary{Size: 10, HeaderSize: 4}).AppendBinary(nil)
	var s Summary
	if err := errors.Join(err, s.UnmarshalBinary(data)); err != nil || s.Structure.Size() != 6 || s.HeaderSize != 4 {
		t.Errorf("%+v, %v", s, err)
	}
}
