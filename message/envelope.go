package message

import "strings"

// An Envelope is the ENVELOPE of IMAP (RFC 3501 §7.4.2, RFC 9051 §7.5.2). Its
// strings are as the message has them, only unfolded, and without NUL: 8-bit
// octets and encoded-words are kept, see [DecodeHeader].
type Envelope struct {
	Date      string
	Subject   string
	InReplyTo string
	MessageID string

	// Empty tells which of the four fields above are in the message but have no
	// text: IMAP sends "" for those and NIL for fields that are absent.
	Empty EmptyFields

	// The lists are nil where IMAP sends NIL. Sender and ReplyTo are the same as
	// From if the message has no address in them.
	From    []Address
	Sender  []Address
	ReplyTo []Address
	To      []Address
	Cc      []Address
	Bcc     []Address
}

// EmptyFields is a set of fields of an Envelope.
type EmptyFields uint8

// The fields that can be there without a text.
const (
	EmptyDate EmptyFields = 1 << iota
	EmptySubject
	EmptyInReplyTo
	EmptyMessageID

	allEmpty = EmptyDate | EmptySubject | EmptyInReplyTo | EmptyMessageID
)

// add takes a header field.
func (e *Envelope) add(s *Scanner, name fieldName, value string, first bool) {
	switch name {
	case dateField:
		e.setText(&e.Date, value, first, EmptyDate)
	case subjectField:
		if e.Subject == "" || len(e.Subject) > maxLine {
			e.setText(&e.Subject, value, e.Subject == "", EmptySubject)
		} else if value != "" && value != e.Subject && !strings.HasSuffix(e.Subject, " "+value) {
			e.Subject += " " + value // RFC 7103 §7.5.1
		}
	case inReplyToField:
		e.setText(&e.InReplyTo, value, first, EmptyInReplyTo)
	case messageIDField:
		e.setText(&e.MessageID, value, first, EmptyMessageID)
	case fromField:
		s.addAddresses(&e.From, value)
	case senderField:
		s.addAddresses(&e.Sender, value)
	case replyToField:
		s.addAddresses(&e.ReplyTo, value)
	case toField:
		s.addAddresses(&e.To, value)
	case ccField:
		s.addAddresses(&e.Cc, value)
	case bccField:
		s.addAddresses(&e.Bcc, value)
	case referencesField:
		if e == &s.sum.Envelope && first {
			s.sum.References = ParseMessageIDs(value)
		}
	}
}

func (e *Envelope) setText(dst *string, value string, first bool, empty EmptyFields) {
	if !first {
		return
	}
	*dst = value
	e.Empty &^= empty
	if value == "" {
		e.Empty |= empty
	}
}

func (s *Scanner) addAddresses(list *[]Address, value string) {
	n := len(*list)
	*list = appendAddresses(*list, value, n+s.addresses)
	s.addresses = max(0, s.addresses-(len(*list)-n))
}

// maxLine is how long a line may be without its CRLF (RFC 5322 §2.1.1).
const maxLine = 998

// complete sets what the header leaves out.
func (e *Envelope) complete(s *Scanner, outermost bool) {
	if e.Sender == nil {
		e.Sender = e.From
	}
	if e.ReplyTo == nil {
		e.ReplyTo = e.From
	}
	if outermost && len(s.sum.References) == 0 {
		if ids := ParseMessageIDs(e.InReplyTo); len(ids) > 0 {
			s.sum.References = ids[:1]
		}
	}
}

// ParseMessageIDs returns the message identifiers of a Message-ID, References or
// In-Reply-To field, without their angle brackets and, as RFC 5256 (REFERENCES)
// demands, without quoting, so that equal ones are equal strings. What is not
// between angle brackets, or has no at sign, is no identifier. Of more than
// MaxReferences the first and the last ones are returned.
func ParseMessageIDs(s string) []string {
	var ids []string
	for quoting := true; ; {
		_, rest, ok := strings.Cut(s, "<")
		if !ok {
			break
		}
		end := -1
		if quoting {
			end = idEnd(rest)
		}
		if end < 0 {
			quoting = false // a quote does not end
			if end = strings.IndexByte(rest, '>'); end < 0 {
				break
			}
		}
		id := rest[:end]
		s = rest[end+1:]
		if i := strings.LastIndexByte(id, '<'); i >= 0 {
			id = id[i+1:]
		}
		if id = normalID(id); id == "" {
			continue
		}
		if len(ids) == 2*MaxReferences {
			ids = append(ids[:1], ids[len(ids)-MaxReferences+1:]...)
		}
		ids = append(ids, id)
	}
	if n := len(ids); n > MaxReferences {
		ids = append(ids[:1], ids[n-MaxReferences+1:]...)
	}
	return ids
}

// idEnd returns the index of the bracket that ends an identifier which has quoted
// strings; -1 if there is none.
func idEnd(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			n := quotedEnd(s[i:])
			if n == 0 {
				return -1
			}
			i += n - 1
		case '>':
			return i
		}
	}
	return -1
}

// normalID takes the quotes and the white space out of an identifier; the result
// is empty if it is none.
func normalID(id string) string {
	at := strings.LastIndexByte(id, '@')
	if at <= 0 || at == len(id)-1 || len(id) > maxLine {
		return ""
	}
	if !strings.ContainsAny(id, "\" \t\\") {
		return id
	}
	var b strings.Builder
	for s := id; s != ""; {
		switch n := 0; s[0] {
		case ' ', '\t':
			s = s[1:]
		case '"':
			if n = quotedEnd(s); n > 0 {
				b.WriteString(unquote(s[1 : n-1]))
				s = s[n:]
				continue
			}
			s = s[1:]
		default:
			if n = strings.IndexAny(s, "\" \t"); n < 0 {
				n = len(s)
			}
			b.WriteString(s[:n])
			s = s[n:]
		}
	}
	return b.String()
}
