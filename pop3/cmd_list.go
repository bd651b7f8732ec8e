package pop3

import (
	"fmt"
	"strconv"
)

// contents describes the maildrop in words.
func (s *session) contents() string {
	return fmt.Sprintf("maildrop has %d messages (%d octets)", s.drop.left, s.drop.octets)
}

// cmdStat answers with the drop listing (RFC 1939 §5). Messages marked as deleted do not count.
func (s *session) cmdStat() {
	s.ok(fmt.Sprintf("%d %d", s.drop.left, s.drop.octets))
}

// cmdList lists sizes: octets as stored, each CRLF two, without the dots of
// byte-stuffing (RFC 1939 §11).
func (s *session) cmdList(arg string) {
	s.list(arg, "scan listing follows", func(b []byte, m *entry) []byte { return strconv.AppendInt(b, m.size, 10) })
}

// cmdUidl lists unique-ids (RFC 1939 §7).
func (s *session) cmdUidl(arg string) {
	s.list(arg, "unique-id listing follows", s.drop.appendUIDL)
}

// list answers with number and property of one message, or of all that are not marked.
func (s *session) list(arg, title string, property func(b []byte, m *entry) []byte) {
	var line [64]byte
	if arg != "" {
		if m, n := s.oneMessage(arg); m != nil {
			s.ok(string(property(appendNumber(line[:0], n), m)))
		}
		return
	}
	s.ok(title)
	for i := range s.drop.messages {
		if m := &s.drop.messages[i]; !m.deleted {
			b := property(appendNumber(line[:0], i+1), m)
			s.out.Write(append(b, '\r', '\n'))
		}
	}
	s.out.WriteString(".\r\n")
}

func appendNumber(b []byte, n int) []byte {
	return append(strconv.AppendInt(b, int64(n), 10), ' ')
}
