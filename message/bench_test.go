package message

import (
	"bytes"
	"strings"
	"testing"
)

// typical is a message of about 4 KiB as people send them: trace fields, two
// alternatives.
var typical = crlf([]byte(strings.Repeat(`Received: from mail.example.net (mail.example.net [192.0.2.1])
	by mx.example.org with ESMTPS id 4Wx1Yz2Abc (version=TLS1_3)
	for <ann@example.org>; Mon, 1 Jan 2024 10:00:00 +0000
`, 3) + `DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.net; s=s1;
	h=from:to:subject:date:message-id; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;
	b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHutKVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV4bmp/YzhwvcubU4=
Date: Mon, 1 Jan 2024 11:00:00 +0100
From: Bob Example <bob@example.net>
To: Ann Lee <ann@example.org>, "Lee, Carl" <carl@example.org>
Cc: list@example.com
Subject: Re: [list] =?utf-8?q?Gr=C3=BC=C3=9Fe?= and the minutes of our meeting
Message-ID: <20240101110000.1234@example.net>
In-Reply-To: <20231231090000.4321@example.org>
References: <20231230080000.1111@example.org> <20231231090000.4321@example.org>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="=_b0undary-1234567890"

--=_b0undary-1234567890
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

` + strings.Repeat("Hello Ann, here is what we said at the meeting, one line after another.=20\n", 12) + `
--=_b0undary-1234567890
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

` + strings.Repeat("<p>Hello <b>Ann</b>, here is what we said at the meeting, line after line.</p>\n", 15) + `
--=_b0undary-1234567890--
`))

func BenchmarkSummarize(b *testing.B) {
	attachment := bytes.Replace(typical, []byte("multipart/alternative"), []byte("multipart/mixed"), 1)
	attachment = bytes.Replace(attachment, []byte("\r\n--=_b0undary-1234567890--\r\n"),
		[]byte("\r\n--=_b0undary-1234567890\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"+
			strings.Repeat(strings.Repeat("QUJD", 19)+"\r\n", 10<<20/78)+"\r\n--=_b0undary-1234567890--\r\n"), 1)
	plain := []byte("Subject: x\r\nFrom: a@b\r\n\r\n" + strings.Repeat("A line of text as it stands in a mail of the plainest kind.\r\n", 65))
	for _, c := range []struct {
		name string
		msg  []byte
	}{{"plain4KiB", plain}, {"alternative4KiB", typical}, {"attachment10MiB", attachment}, {"nested1000", nested(1000)}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.msg)))
			b.ReportAllocs()
			r := bytes.NewReader(c.msg)
			for b.Loop() {
				if _, err := Summarize(r, r.Size()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkHostile(b *testing.B) {
	for name, build := range hostile {
		msg := build(MaxHeaderSize)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(msg)))
			r := bytes.NewReader(msg)
			for b.Loop() {
				if _, err := Summarize(r, r.Size()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkBinary(b *testing.B) {
	s := summarize(b, typical)
	data, err := s.AppendBinary(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Append", func(b *testing.B) {
		b.ReportAllocs()
		b.ReportMetric(float64(len(data)), "octets")
		for b.Loop() {
			data, _ = s.AppendBinary(data[:0])
		}
	})
	b.Run("Unmarshal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var s Summary
			if err := s.UnmarshalBinary(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("DecodeEnvelope", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := DecodeEnvelope(data); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkParseAddressList(b *testing.B) {
	const list = `Ann Lee <ann@example.org>, "Lee, Carl" <carl@example.org>, list@example.com`
	b.ReportAllocs()
	for b.Loop() {
		ParseAddressList(list)
	}
}

func BenchmarkParseDate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ParseDate("Mon, 1 Jan 2024 11:00:00 +0100 (CET)")
	}
}
