package message

import (
	"bytes"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A node is an element of mime4j's XML.
type node struct {
	XMLName  xml.Name
	Text     string `xml:",chardata"`
	Children []node `xml:",any"`
}

func (n node) child(name string) *node {
	for i := range n.Children {
		if n.Children[i].XMLName.Local == name {
			return &n.Children[i]
		}
	}
	return nil
}

// otherOpinions are the messages that we read unlike mime4j, and why.
var otherOpinions = map[string]string{
	"very-very-long-boundary":              "a delimiter of 7,000 octets fits no lawful line (RFC 5322 §2.1.1)",
	"base64encoded-rfc822message":          "a message may not be encoded, and is opened as it stands (RFC 2046 §5.2.1)",
	"base64encoded-rfc822message-nested":   "the same",
	"bad-newlines-multiple-parts-base64":   "the same",
	"malformedHeaderStartsBody-nocrlfcrlf": "a line that is no field does not end the header (RFC 7103 §7.2)",
	"malformedHeaderStartsBody-noheader":   "the same",
}

func TestStructureIsWhatMime4jSees(t *testing.T) {
	files, err := filepath.Glob("testdata/mime4j/*.msg")
	if err != nil || len(files) == 0 {
		t.Fatal("no messages", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".msg")
		t.Run(name, func(t *testing.T) {
			if why := otherOpinions[name]; why != "" {
				t.Skip(why)
			}
			b := readCRLF(t, file)
			text, err := os.ReadFile(strings.TrimSuffix(file, ".msg") + ".xml")
			if err != nil {
				t.Fatal(err)
			}
			var want node
			if err := xml.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			compareNode(t, b, &want, summarize(t, b).Structure, "message")
		})
	}
}

func compareNode(t *testing.T, b []byte, n *node, p *Part, path string) {
	t.Helper()
	fields := 0
	if h := n.child("header"); h != nil {
		fields = len(h.Children)
	}
	got := 0
	for f, err := range p.Fields(bytes.NewReader(b)) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Name != "" {
			got++
		}
	}
	if got != fields {
		t.Errorf("%s: %d fields, want %d", path, got, fields)
	}
	if m := n.child("message"); m != nil {
		if p.Message == nil {
			t.Errorf("%s: no message", path)
			return
		}
		compareNode(t, b, m, p.Message, path+"/message")
	}
	if m := n.child("multipart"); m != nil {
		i := 0
		for _, c := range m.Children {
			if c.XMLName.Local != "body-part" {
				continue
			}
			if i >= len(p.Parts) {
				t.Errorf("%s: %d parts, want more", path, len(p.Parts))
				return
			}
			compareNode(t, b, &c, p.Parts[i], path+"/part")
			i++
		}
		if i == 0 {
			i = 1 // the empty one that IMAP needs
		}
		if len(p.Parts) != i {
			t.Errorf("%s: %d parts, want %d", path, len(p.Parts), i)
		}
	}
	if body := n.child("body"); body != nil {
		want := strings.TrimPrefix(body.Text, "\n")
		if p.Message != nil || len(p.Parts) > 0 {
			t.Errorf("%s: more than a body", path)
		}
		got := strings.ReplaceAll(string(b[p.BodyStart:p.End]), "\r\n", "\n")
		if got != want {
			t.Errorf("%s: body\n%q, want\n%q", path, got, want)
		}
	}
}
