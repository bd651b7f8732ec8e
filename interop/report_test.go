package interop

import (
	"bufio"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"strings"
	"testing"
)

// A report is a delivery status notification (RFC 3464), read by the standard library alone.
type report struct {
	header     mail.Header
	text       string                 // for a person
	perMessage textproto.MIMEHeader   // for a program
	recipients []textproto.MIMEHeader // likewise
	returned   string                 // what goes back of the message
}

// parseReport fails the test unless text is a report of three parts.
func parseReport(t *testing.T, text string) report {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || params["report-type"] != "delivery-status" {
		t.Fatalf("Content-Type is %s %v: %v", kind, params, err)
	}
	r := report{header: m.Header}
	parts := multipart.NewReader(m.Body, params["boundary"])
	r.text = part(t, parts, "text/plain")
	r.readFields(t, part(t, parts, "message/delivery-status"))
	r.returned = part(t, parts, "message/rfc822")
	if _, err := parts.NextRawPart(); err != io.EOF {
		t.Errorf("after the third part: %v, want the end", err)
	}
	return r
}

// part returns the next part, which must be of that type.
func part(t *testing.T, parts *multipart.Reader, want string) string {
	t.Helper()
	p, err := parts.NextRawPart()
	if err != nil {
		t.Fatal(err)
	}
	if kind, _, err := mime.ParseMediaType(p.Header.Get("Content-Type")); kind != want {
		t.Errorf("a part is of type %q, want %q: %v", kind, want, err)
	}
	body, err := io.ReadAll(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// readFields reads the blocks of message/delivery-status.
func (r *report) readFields(t *testing.T, text string) {
	t.Helper()
	in := textproto.NewReader(bufio.NewReader(strings.NewReader(strings.TrimRight(text, "\r\n") + "\r\n\r\n")))
	for {
		block, err := in.ReadMIMEHeader()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		if r.perMessage == nil {
			r.perMessage = block
		} else {
			r.recipients = append(r.recipients, block)
		}
	}
}

// wantFailure fails the test unless the report is ours, tells a person and a program that the message could not be delivered to the one
// recipient, and brings the message back. No remote means that no server said so.
func (r report) wantFailure(t *testing.T, rcpt, status, remote, original string) {
	t.Helper()
	if len(r.recipients) != 1 {
		t.Fatalf("the report is about %d recipients, want 1: %v", len(r.recipients), r.recipients)
	}
	var wantRemote string
	if remote != "" {
		wantRemote = "dns; " + remote
	}
	rec := r.recipients[0]
	for _, f := range []struct{ name, got, want string }{
		{"Return-Path", r.header.Get("Return-Path"), "<>"},
		{"Auto-Submitted", r.header.Get("Auto-Submitted"), "auto-replied"},
		{"Reporting-MTA", r.perMessage.Get("Reporting-MTA"), "dns; mx.ours.test"},
		{"Action", rec.Get("Action"), "failed"},
		{"Status", rec.Get("Status"), status},
		{"Remote-MTA", rec.Get("Remote-MTA"), wantRemote},
	} {
		if f.got != f.want {
			t.Errorf("%s is %q, want %q", f.name, f.got, f.want)
		}
	}
	if got := rec.Get("Final-Recipient"); strings.ReplaceAll(got, " ", "") != "rfc822;"+rcpt {
		t.Errorf("Final-Recipient is %q, want %s", got, rcpt)
	}
	if !strings.Contains(r.text, rcpt) || !strings.Contains(r.text, "could not be delivered") || !strings.Contains(r.text, status) {
		t.Errorf("the text does not say that %s could not be reached, or not why:\n%s", rcpt, r.text)
	}
	if !strings.HasSuffix(r.returned, original) || !strings.HasPrefix(r.returned, "Received: ") {
		t.Errorf("the message came back as\n%q\nwant it below a Received field:\n%q", r.returned, original)
	}
}
