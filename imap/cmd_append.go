package imap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
)

// appendLimit is the capability that tells how large a message may be (RFC 7889).
func (s *session) appendLimit() string {
	return "APPENDLIMIT=" + strconv.FormatInt(s.set.maxMessage, 10)
}

// maxAppended is how many messages an APPEND may bring.
const maxAppended = 1000

// cmdAppend puts messages into a mailbox (RFC 3501 §6.3.11), one or, all of them or none, several (RFC 3502). They go
// into one spool, so that neither memory nor open files grow with their number.
func (s *session) cmdAppend() error {
	if err := s.p.sp(); err != nil {
		return err
	}
	name, err := s.p.mailbox()
	if err != nil {
		return err
	}
	// Before the client sends a message in vain.
	m, err := s.account.Open(s.ctx, name)
	if err != nil {
		return tryCreate(err)
	}
	defer m.Close()
	messages, content, err := s.readMessages()
	if err != nil {
		return err
	}
	defer content.Close()
	placed, err := m.Append(s.ctx, messages)
	if err != nil {
		return tryCreate(err)
	}
	return &response{"OK", appendUID(placed), ""}
}

// appendUID is the response code of UIDPLUS (RFC 4315 §3).
func appendUID(placed []store.Placed) string {
	var uids store.UIDSet
	for _, p := range placed {
		uids.Add(p.UID)
	}
	return fmt.Sprintf("APPENDUID %d %s", placed[0].UIDValidity, uids)
}

// readMessages reads the messages of an APPEND. The caller closes what they lie in.
func (s *session) readMessages() ([]store.NewMessage, postrider.Content, error) {
	spool := &postrider.Spool{Dir: s.server.SpoolDir, Memory: s.server.SpoolMemory}
	defer spool.Close()
	var messages []store.NewMessage
	var ends []int64
	for more := true; more; more = s.p.peek() == ' ' {
		if len(messages) == maxAppended {
			return nil, nil, no("LIMIT", "too many messages at once")
		}
		msg, err := s.readMessage(spool)
		if err != nil {
			return nil, nil, err
		}
		messages, ends = append(messages, msg), append(ends, spool.Size())
	}
	if err := s.p.end(); err != nil {
		return nil, nil, err
	}
	content, err := spool.Content()
	if err != nil {
		return nil, nil, err
	}
	start := int64(0)
	for i, end := range ends {
		messages[i].Content = part{io.NewSectionReader(content, start, end-start)}
		start = end
	}
	return messages, content, nil
}

// readMessage reads flags, date and literal of a message.
func (s *session) readMessage(spool *postrider.Spool) (msg store.NewMessage, err error) {
	if err := s.p.sp(); err != nil {
		return msg, err
	}
	if s.p.peek() == '(' {
		if msg.Flags, err = s.p.appendFlags(); err != nil {
			return msg, err
		}
		if err := s.p.sp(); err != nil {
			return msg, err
		}
	}
	if s.p.peek() == '"' {
		if msg.InternalDate, err = s.p.dateTime(); err != nil {
			return msg, err
		}
		if err := s.p.sp(); err != nil {
			return msg, err
		}
	}
	limit := int64(math.MaxInt64)
	if s.set.maxMessage > 0 {
		limit = s.set.maxMessage - spool.Size()
	}
	text := &noNUL{w: spool}
	_, err = s.p.literal(text, limit)
	var large *literalError
	switch {
	case errors.As(err, &large):
		return msg, no("TOOBIG", "message is too large")
	case err == nil && text.found:
		return msg, syntaxError("NUL in message")
	}
	return msg, err
}

// appendFlags reads the flags of a new message. \Recent, which some clients copy from where they read it, is passed
// over.
func (p *parser) appendFlags() ([]store.Flag, error) {
	var flags []store.Flag
	err := p.list(true, func() error {
		if p.acceptFlag(`\Recent`) {
			return nil
		}
		f, err := p.flag()
		flags = append(flags, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	return store.CanonicalFlags(flags)
}

// acceptFlag passes over a flag, in any case, if it is next.
func (p *parser) acceptFlag(flag string) bool {
	n := len(flag)
	if len(p.line) <= n || p.line[n] != ' ' && p.line[n] != ')' {
		return false
	}
	return p.acceptWord(flag)
}

// A noNUL looks for the octet that no literal may have (RFC 3501 §9, CHAR8).
type noNUL struct {
	w     io.Writer
	found bool
}

func (n *noNUL) Write(b []byte) (int, error) {
	n.found = n.found || bytes.IndexByte(b, 0) >= 0
	return n.w.Write(b)
}

// A part is a message in the spool.
type part struct{ *io.SectionReader }

func (part) Close() error { return nil }
