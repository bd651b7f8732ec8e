package dsn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/message"
)

const dateFormat = "Mon, 2 Jan 2006 15:04:05 -0700"

// Write returns the report and the envelope that it travels in. It takes over the original message,
// whose octets the report may share: closing the report closes it, and so does an error.
func (r *Report) Write(original postrider.Content) (postrider.Content, *postrider.Envelope, error) {
	content, err := r.write(original)
	if err != nil {
		return nil, nil, errors.Join(err, original.Close())
	}
	return content, r.envelope(), nil
}

func (r *Report) write(original postrider.Content) (postrider.Content, error) {
	if r.Empty() {
		return nil, errors.New("dsn: there is nothing to report, or nobody to tell")
	}
	returned, whole, err := r.returned(original)
	if err != nil {
		return nil, err
	}
	boundary, err := r.boundary(returned)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	r.writeHeader(&b, boundary)
	fmt.Fprintf(&b, "--%s\r\nContent-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: %s\r\n\r\n", boundary, r.charset(), r.encoding())
	r.writeText(&b)
	fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: %s\r\n\r\n", boundary, r.pick("message/delivery-status", "message/global-delivery-status"))
	r.writeFields(&b)
	kind := r.pick("text/rfc822-headers", "message/global-headers")
	if whole {
		kind = r.pick("message/rfc822", "message/global")
	}
	fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n", boundary, kind, r.returnedEncoding())
	return &report{
		Content:  postrider.Concat(postrider.Bytes(b.Bytes()), returned, postrider.String("\r\n--"+boundary+"--\r\n")),
		original: original,
	}, nil
}

// A report shares the original's octets and closes it.
type report struct {
	postrider.Content
	original io.Closer
}

func (r *report) Close() error { return r.original.Close() }

// returned says what of the original goes back: all of it, or its header.
func (r *Report) returned(original postrider.Content) (c postrider.Content, whole bool, err error) {
	limit := int64(MaxReturned)
	switch {
	case !r.has(Failed): // RFC 3461 §4.3
		limit = -1
	case r.Return == postrider.ReturnHeaders, r.Body == postrider.BodyBinaryMIME, r.RequireTLS:
		limit = -1
	case r.Return == postrider.ReturnFull:
		limit = MaxReturnedFull
	}
	if original.Size() <= limit {
		return original, true, nil
	}
	b := make([]byte, min(original.Size(), message.MaxHeaderSize))
	if n, err := original.ReadAt(b, 0); n < len(b) {
		return nil, false, fmt.Errorf("read original header: %w", err)
	}
	if bytes.HasPrefix(b, []byte("\r\n")) {
		return postrider.Bytes(nil), false, nil
	}
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		// A header without an end is cut at its last whole line.
		end = max(bytes.LastIndex(b, []byte("\r\n")), 0)
	}
	return postrider.Bytes(b[:end:end]), false, nil
}

// boundary returns a MIME boundary that does not occur in the content (RFC 2046 §5.1.1), and notes whether
// the content needs 8 bits, whatever its envelope said.
func (r *Report) boundary(c postrider.Content) (string, error) {
	for n := 0; ; n++ {
		boundary := fmt.Sprintf("report-%s-%d", r.ID, n)
		found, err := r.look(c, []byte("--"+boundary))
		if err != nil || !found {
			return boundary, err
		}
	}
}

// look reads c to its end and reports whether s is in it.
func (r *Report) look(c postrider.Content, s []byte) (found bool, err error) {
	in := postrider.NewReader(c)
	buf := make([]byte, 0, 64<<10)
	for {
		n, err := in.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		found = found || bytes.Contains(buf, s)
		r.eightBit = r.eightBit || bytes.ContainsFunc(buf, func(c rune) bool { return c >= utf8.RuneSelf })
		if err == io.EOF {
			return found, nil
		}
		if err != nil {
			return false, err
		}
		keep := min(len(s), len(buf))
		buf = append(buf[:0], buf[len(buf)-keep:]...)
	}
}

func (r *Report) pick(ascii, global string) string {
	if r.utf8() {
		return global
	}
	return ascii
}

func (r *Report) charset() string  { return r.pick("us-ascii", "utf-8") }
func (r *Report) encoding() string { return r.pick("7bit", "8bit") }

func (r *Report) returnedEncoding() string {
	if r.eightBit {
		return "8bit"
	}
	return r.encoding()
}

func (r *Report) writeHeader(b *bytes.Buffer, boundary string) {
	subject := "Mail was delivered"
	switch {
	case r.has(Failed):
		subject = "Mail could not be delivered"
	case r.has(Delayed):
		subject = "Mail is delayed"
	}
	fmt.Fprintf(b, "Date: %s\r\n", r.Now.Format(dateFormat))
	fmt.Fprintf(b, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n", r.ReportingMTA)
	fmt.Fprintf(b, "To: <%s>\r\n", r.To)
	fmt.Fprintf(b, "Subject: %s\r\n", subject)
	fmt.Fprintf(b, "Message-ID: <%s.report@%s>\r\n", r.ID, r.ReportingMTA)
	fmt.Fprintf(b, "Auto-Submitted: auto-replied\r\n") // RFC 3834 §5
	fmt.Fprintf(b, "MIME-Version: 1.0\r\n")
	fmt.Fprintf(b, "Content-Type: multipart/report; report-type=%s;\r\n\tboundary=\"%s\"\r\n",
		r.pick("delivery-status", "global-delivery-status"), boundary)
	fmt.Fprintf(b, "Content-Transfer-Encoding: %s\r\n\r\n", r.returnedEncoding())
}

// writeText tells a person what happened, why, and what to do.
func (r *Report) writeText(b *bytes.Buffer) {
	fmt.Fprintf(b, "This is the mail server %s.\r\n", r.ReportingMTA)
	for _, part := range []struct {
		action Action
		intro  string
	}{
		{Failed, "Your message could not be delivered to the recipients below, and there will be\r\nno further attempt. To reach them, see what their server says, and send again."},
		{Delayed, "Your message has not been delivered to the recipients below yet. There is\r\nnothing you need to do: attempts go on."},
		{Delivered, "Your message was delivered to these recipients:"},
		{Relayed, "Your message was handed on for these recipients, to a server that does not\r\nreport deliveries:"},
	} {
		if !r.has(part.action) {
			continue
		}
		fmt.Fprintf(b, "\r\n%s\r\n", part.intro)
		for _, x := range r.recipients {
			if x.action == part.action {
				r.writeReason(b, x)
			}
		}
	}
	if !r.RetryUntil.IsZero() && r.has(Delayed) {
		fmt.Fprintf(b, "\r\nAttempts go on until %s.\r\n", r.RetryUntil.Format(dateFormat))
	}
}

func (r *Report) writeReason(b *bytes.Buffer, x recipient) {
	fmt.Fprintf(b, "\r\n  <%s>\r\n", r.clean(x.ForwardPath.String()))
	if x.status == nil || x.action == Delivered || x.action == Relayed {
		return
	}
	who := "this server says"
	if x.remote != "" {
		who = "server " + r.clean(x.remote) + " says"
	}
	text := fmt.Sprintf("%s: %d %s %s", who, x.status.ReplyCode(), x.status.EnhancedCode(), r.clean(x.status.Text))
	for line := range wrapped(text, 70) {
		fmt.Fprintf(b, "    %s\r\n", line)
	}
}

// writeFields is the part for programs (RFC 3464 §2).
func (r *Report) writeFields(b *bytes.Buffer) {
	field := func(name, value string) {
		first := true
		for line := range wrapped(name+": "+value, 76) {
			if !first {
				b.WriteString("\t")
			}
			b.WriteString(line + "\r\n")
			first = false
		}
	}
	if r.EnvelopeID != "" {
		field("Original-Envelope-Id", r.clean(r.EnvelopeID))
	}
	field("Reporting-MTA", "dns; "+r.ReportingMTA)
	field("Arrival-Date", r.Arrived.Format(dateFormat))
	for _, x := range r.recipients {
		b.WriteString("\r\n")
		if x.Original.Type != "" {
			field("Original-Recipient", r.clean(x.Original.Type)+";"+r.typed(x.Original.Type, x.Original.Address))
		}
		kind := "rfc822"
		if !x.ForwardPath.IsASCII() {
			kind = "utf-8"
		}
		field("Final-Recipient", kind+";"+r.typed(kind, x.ForwardPath.String()))
		field("Action", string(x.action))
		field("Status", status(x))
		if x.remote != "" {
			field("Remote-MTA", "dns; "+r.clean(x.remote))
		}
		if x.status != nil && x.action != Delivered {
			field("Diagnostic-Code", fmt.Sprintf("%s; %d %s %s", diagnosticType(x), x.status.ReplyCode(), x.status.EnhancedCode(), r.clean(x.status.Text)))
		}
		field("Last-Attempt-Date", r.Now.Format(dateFormat))
		if x.action == Delayed && !r.RetryUntil.IsZero() {
			field("Will-Retry-Until", r.RetryUntil.Format(dateFormat))
		}
	}
}

// diagnosticType is smtp for the words of another server, and a name of ours for our own (RFC 3464 §2.3.6).
func diagnosticType(x recipient) string {
	if x.remote == "" {
		return "x-postrider"
	}
	return "smtp"
}

// status returns the Status field's code, whose class must fit the action (RFC 3464 §2.3.4).
func status(x recipient) string {
	class := map[Action]byte{Failed: '5', Delayed: '4', Delivered: '2', Relayed: '2'}[x.action]
	if x.status == nil {
		return string(class) + ".0.0"
	}
	return string(class) + x.status.EnhancedCode()[1:]
}

// typed writes an address for a field of a report. What is not ASCII goes into a 7-bit report in
// the form of RFC 6533 §3, \x{20AC}.
func (r *Report) typed(kind, address string) string {
	if r.utf8() || !strings.EqualFold(kind, "utf-8") {
		return r.clean(address)
	}
	var b strings.Builder
	for _, c := range address {
		if c > ' ' && c <= '~' && c != '\\' && c != '+' && c != '=' {
			b.WriteRune(c)
		} else {
			fmt.Fprintf(&b, "\\x{%02X}", c)
		}
	}
	return b.String()
}

// wrapped yields text in lines of at most width octets, broken at spaces where there are any; a word longer than
// 900 octets is broken.
func wrapped(text string, width int) func(func(string) bool) {
	return func(yield func(string) bool) {
		line := ""
		for word := range strings.FieldsSeq(text) {
			for len(word) > 900 {
				n := 900
				for !utf8.RuneStart(word[n]) {
					n--
				}
				if line != "" && !yield(line) || !yield(word[:n]) {
					return
				}
				line, word = "", word[n:]
			}
			switch {
			case line == "":
				line = word
			case len(line)+1+len(word) <= width:
				line += " " + word
			default:
				if !yield(line) {
					return
				}
				line = word
			}
		}
		if line != "" {
			yield(line)
		}
	}
}
