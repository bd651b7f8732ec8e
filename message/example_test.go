package message_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/postrider/postrider/message"
)

const letter = "From: Ann <ann@example.org>\r\n" +
	"To: bob@example.net\r\n" +
	"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" +
	"Content-Type: multipart/mixed; boundary=b\r\n" +
	"\r\n" +
	"--b\r\n" +
	"\r\n" +
	"Hello Bob!\r\n" +
	"--b\r\n" +
	"Content-Type: text/csv\r\n" +
	"Content-Transfer-Encoding: base64\r\n" +
	"\r\n" +
	"MSwyLDM=\r\n" +
	"--b--\r\n"

func ExampleSummarize() {
	r := strings.NewReader(letter)
	sum, err := message.Summarize(r, r.Size())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(message.DecodeHeader(sum.Envelope.Subject))
	fmt.Println(sum.Envelope.From[0].Mailbox, "at", sum.Envelope.From[0].Host)
	fmt.Println(sum.Preview)

	csv, err := io.ReadAll(sum.PartAt(2).Decoded(r))
	fmt.Printf("%s %v\n", csv, err)
	// Output:
	// Grüße
	// ann at example.org
	// Hello Bob!
	// 1,2,3 <nil>
}

// A message is scanned while it is written elsewhere.
func ExampleScanner() {
	var spool bytes.Buffer
	var scan message.Scanner
	if _, err := io.Copy(io.MultiWriter(&spool, &scan), strings.NewReader(letter)); err != nil {
		log.Fatal(err)
	}
	sum := scan.Finish()
	fmt.Println(sum.Size == int64(spool.Len()), len(sum.Structure.Parts))
	// Output: true 2
}

func ExampleSummary_Section() {
	r := strings.NewReader(letter)
	sum, err := message.Summarize(r, r.Size())
	if err != nil {
		log.Fatal(err)
	}
	// BODY[HEADER.FIELDS (TO)]
	section, ok, err := sum.Section(r, message.Section{Specifier: message.HeaderFields, Fields: []string{"to"}})
	if err != nil || !ok {
		log.Fatal(ok, err)
	}
	b, err := io.ReadAll(section)
	fmt.Printf("%q %v\n", b, err)
	// Output: "To: bob@example.net\r\n\r\n" <nil>
}

func ExampleBaseSubject() {
	fmt.Println(message.BaseSubject("Re: [list] Re: lunch (fwd)"))
	// Output: lunch true
}
