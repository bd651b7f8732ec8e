package smtp

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider"
)

func clientReadReply(octets string) (clientReply, error) {
	var rr clientReplyReader
	rr.reset(strings.NewReader(octets))
	return rr.read()
}

func TestClientReadsRepliesOfAllShapes(t *testing.T) {
	for _, test := range []struct {
		octets string
		want   postrider.Status
		reply  string
	}{
		{"250 ok\r\n", postrider.Status{Reply: 250, Text: "ok"}, "250 ok"},
		{"250\r\n", postrider.Status{Reply: 250}, "250"},
		{"250 \r\n", postrider.Status{Reply: 250}, "250"},
		{"550 5.1.1 no\r\n", postrider.Status{Reply: 550, Code: "5.1.1", Text: "no"}, "550 5.1.1 no"},
		{"550 5.1.1\r\n", postrider.Status{Reply: 550, Code: "5.1.1"}, "550 5.1.1"},
		{"550-5.1.1 no\r\n550 5.1.1 such user\r\n", postrider.Status{Reply: 550, Code: "5.1.1", Text: "no\nsuch user"}, "550-5.1.1 no\n550 5.1.1 such user"},
		{"550-5.1.1 no\r\n550 5.1.2 such user\r\n", postrider.Status{Reply: 550, Code: "5.1.1", Text: "no\n5.1.2 such user"}, "550-5.1.1 no\n550 5.1.2 such user"},
		{"550-no\r\n550-\r\n550\r\n", postrider.Status{Reply: 550, Text: "no\n\n"}, "550-no\n550-\n550"},
		// RFC 2034 §4: the class of the code is the reply's, or it is no code.
		{"450 5.1.1 no\r\n", postrider.Status{Reply: 450, Text: "5.1.1 no"}, "450 5.1.1 no"},
		{"550 5.1.1.1 no\r\n", postrider.Status{Reply: 550, Text: "5.1.1.1 no"}, "550 5.1.1.1 no"},
		{"550 5.1 no\r\n", postrider.Status{Reply: 550, Text: "5.1 no"}, "550 5.1 no"},
		{"550 5.1.1000 no\r\n", postrider.Status{Reply: 550, Text: "5.1.1000 no"}, "550 5.1.1000 no"},
		{"550 5.1.x no\r\n", postrider.Status{Reply: 550, Text: "5.1.x no"}, "550 5.1.x no"},
		{"550 5..1 no\r\n", postrider.Status{Reply: 550, Text: "5..1 no"}, "550 5..1 no"},
		{"250 użytkownik\r\n", postrider.Status{Reply: 250, Text: "użytkownik"}, "250 użytkownik"},
		{"250 \x01\x7f\xff\u0085\r\n", postrider.Status{Reply: 250, Text: "????"}, "250 ????"},
	} {
		r, err := clientReadReply(test.octets)
		if err != nil {
			t.Errorf("%q: %v", test.octets, err)
			continue
		}
		if diff := cmp.Diff(&test.want, r.status()); diff != "" {
			t.Errorf("%q: %s", test.octets, diff)
		}
		if got := r.String(); got != test.reply {
			t.Errorf("%q: String is %q, want %q", test.octets, got, test.reply)
		}
	}
}

func TestClientBoundsReplies(t *testing.T) {
	line := func(n int) string { return "250 " + strings.Repeat("x", n-6) + "\r\n" }
	lines := func(n int) string { return strings.Repeat("250-x\r\n", n-1) + "250 x\r\n" }
	size := func(n int) string { // the texts with a line feed between them
		first := strings.Repeat("250-"+strings.Repeat("x", 8191)+"\r\n", n/8192)
		return first + "250 " + strings.Repeat("x", n%8192) + "\r\n"
	}
	for _, test := range []struct {
		name   string
		octets string
		fits   bool
	}{
		{"longest line", line(clientReplyLine), true},
		{"line too long", line(clientReplyLine + 1), false},
		{"most lines", lines(clientReplyLines), true},
		{"too many lines", lines(clientReplyLines + 1), false},
		{"largest reply", size(clientReplySize), true},
		{"reply too large", size(clientReplySize + 1), false},
	} {
		r, err := clientReadReply(test.octets)
		if test.fits && err != nil || !test.fits && !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", test.name, err)
		}
		if kept := len(r.status().Text); kept > clientReplyKept {
			t.Errorf("%s: %d octets of text are kept", test.name, kept)
		}
	}
}

func TestClientReadsEndlessRepliesWithoutHoldingThem(t *testing.T) {
	var rr clientReplyReader
	src := &clientEndless{}
	rr.reset(src)
	if _, err := rr.read(); !errors.Is(err, ErrProtocol) {
		t.Errorf("got %v", err)
	}
	if src.read > 2*clientReplySize {
		t.Errorf("read %d octets before giving up", src.read)
	}
}

// clientEndless is a reply of one line that has no end.
type clientEndless struct{ read int }

func (e *clientEndless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '2'
	}
	e.read += len(p)
	return len(p), nil
}

func TestClientLearnsExtensions(t *testing.T) {
	got := clientExtensions("mx.example.org SIZE\nsize 100\nSIZE 200\nAUTH plain  LOGIN \nAUTH=LOGIN\n\n-X\nX-Y\nÄ\nSTARTTLS\t")
	want := map[string]string{"SIZE": "100", "AUTH": "plain  LOGIN", "X-Y": ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for params, want := range map[string]int64{"100": 100, "": 0, "0": 0, "-1": 0, "x": 0, "9223372036854775807": 1<<63 - 1, "9223372036854775808": 0} {
		if got := clientSize(params); got != want {
			t.Errorf("SIZE %q: %d, want %d", params, got, want)
		}
	}
}

func TestClientEncodesXtext(t *testing.T) {
	for s, want := range map[string]string{"": "", "a b": "a+20b", "+=": "+2B+3D", "ü": "+C3+BC", "~!": "~!", "\r\n": "+0D+0A", "plain": "plain"} {
		if got := clientXtext(s); got != want {
			t.Errorf("xtext %q: %q, want %q", s, got, want)
		}
	}
	for s, want := range map[string]string{"a b": `a\x{20}b`, "+=\\": `\x{2B}\x{3D}\x{5C}`, "ü用": `\x{FC}\x{7528}`, "\r": `\x{0D}`} {
		if got := clientUnitext(s); got != want {
			t.Errorf("unitext %q: %q, want %q", s, got, want)
		}
	}
}

func TestClientScanSeesTheSameInPiecesOfAnySize(t *testing.T) {
	long := strings.Repeat("x", clientMaxLine)
	for _, test := range []struct {
		text                      string
		bare, eightBit, nul, long bool
	}{
		{text: ""},
		{text: "a\r\n"},
		{text: "\r\n\r\n"},
		{text: "no end"},
		{text: long + "\r\n" + long + "\r\n"},
		{text: "x" + long + "\r\n", long: true},
		{text: "a\r\nxx" + long, long: true},
		{text: "a\n", bare: true},
		{text: "\n", bare: true},
		{text: "a\r", bare: true},
		{text: "a\rb\r\n", bare: true},
		{text: "a\r\r\n", bare: true},
		{text: "a\r\n\n", bare: true},
		{text: "a\n\r\n", bare: true},
		{text: "a\n\rb\r\n", bare: true},
		{text: "1234567\x80\r\n", eightBit: true},
		{text: "12345678\xff\r\n", eightBit: true},
		{text: "a\x00b\r\n", nul: true},
	} {
		for _, piece := range []int{1, 2, 3, 7, 1 << 20} {
			var s clientScan
			for rest := []byte(test.text); len(rest) > 0; {
				n := min(piece, len(rest))
				s.add(rest[:n])
				rest = rest[n:]
			}
			if s.bare() != test.bare || s.eightBit != test.eightBit || s.nul != test.nul || s.long != test.long {
				t.Errorf("%.40q in pieces of %d: bare %v, eight bits %v, NUL %v, long %v", test.text, piece, s.bare(), s.eightBit, s.nul, s.long)
			}
		}
	}
}

// FuzzClientReply feeds the client's reader what a hostile server may say.
func FuzzClientReply(f *testing.F) {
	for _, seed := range []string{
		"250 ok\r\n", "250-a\r\n250 b\r\n", "250-a\r\n251 b\r\n", "25\r\n", "250+\r\n", "150 a\r\n", "650 a\r\n", "250 a\nb\r\n", "250 \x00\r\n",
		"550-5.1.1 a\r\n550 5.1.1 b\r\n", "334 \r\n", "421\r\n", "\r\n", "", "250 \xff\xfe\r\n", "250-SIZE 10\r\n250 -\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		var rr, slow clientReplyReader
		rr.reset(bytes.NewReader(octets))
		slow.reset(iotest.OneByteReader(bytes.NewReader(octets)))
		for {
			r, err := rr.read()
			again, errAgain := slow.read()
			if (err == nil) != (errAgain == nil) || err == nil && (r.code != again.code || !bytes.Equal(r.text, again.text)) {
				t.Fatalf("octet by octet: %v %v, at once: %v %v", again, errAgain, r, err)
			}
			if err != nil {
				if !errors.Is(err, ErrProtocol) && err != io.EOF && err != io.ErrUnexpectedEOF {
					t.Fatalf("error %v", err)
				}
				return
			}
			clientCheckReply(t, r)
		}
	})
}

// clientCheckReply holds a reply to what the rest of the client relies on.
func clientCheckReply(t *testing.T, r clientReply) {
	if r.code < 200 || r.code > 599 || r.lines < 1 || len(r.text) > clientReplySize {
		t.Fatalf("reply %d of %d lines and %d octets", r.code, r.lines, len(r.text))
	}
	if bytes.ContainsAny(r.text, "\r\x00") || bytes.Count(r.text, []byte{'\n'}) != r.lines-1 {
		t.Fatalf("text %q of %d lines", r.text, r.lines)
	}
	s := r.status()
	if r.class() != 3 && s.ReplyCode()/100 != r.class() || len(s.Text) > clientReplyKept || !utf8.ValidString(s.Text) {
		t.Fatalf("reply %d has status %v", r.code, s)
	}
	clientExtensions(string(r.text))
	if len(r.text) > clientReplyKept {
		return
	}
	again, err := clientReadReply(strings.ReplaceAll(r.String(), "\n", "\r\n") + "\r\n")
	if err != nil || again.String() != r.String() || again.lines != r.lines {
		t.Fatalf("%q is read back as %q, %v", r, again, err)
	}
}
