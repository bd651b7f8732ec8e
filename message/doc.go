// Package message tells a server what it must know of an RFC 5322 message: its
// header fields, its MIME structure with the offset of each part, the IMAP
// envelope, a preview, and the sections a client may ask for.
//
// It never fails on what a stranger wrote. Any bytes whatever give a [Summary];
// an error means that the bytes could not be read.
//
//	sum, err := message.Summarize(content, content.Size())
//	if err != nil {
//		return err // the disk, not the message
//	}
//	fmt.Println(message.DecodeHeader(sum.Envelope.Subject))
//	for p := range sum.Structure.All() {
//		fmt.Println(p.Type, p.Subtype, p.Size())
//	}
//
// A Summary is computed once, at delivery, and kept beside the message in the
// form of [Summary.AppendBinary]; ENVELOPE, BODYSTRUCTURE, BODY[1.2] and PREVIEW
// then need no second look at the bytes, or only at those they send. While a
// message still arrives, write it to a [Scanner] and take the same Summary at
// its end.
//
// # How broken mail is read
//
// Where the standards are silent we follow RFC 7103, and Dovecot where that is
// silent too, because its answers are what clients have learned to live with.
//
//   - A line ends at LF; carriage returns before it belong to the line end. A
//     carriage return alone ends nothing.
//   - The header ends at the first empty line, at a delimiter of an enclosing
//     multipart, or at the end of the part. A line in it that is no field
//     continues the field above it (RFC 7103 §7.2); above the first field it is
//     nobody's.
//   - A repeated Subject is joined by a space unless it says the same, repeated
//     address fields are joined to one list (RFC 7103 §7.5.1); of all other
//     fields the first counts.
//   - A Content-Type that cannot be read, or a multipart without a boundary, is
//     text/plain (RFC 2045 §5.2).
//   - A delimiter line needs to begin with the boundary only (RFC 2046 §5.1.1);
//     among several that fit, one that fits exactly wins, then the longest,
//     then the innermost. A missing final delimiter is forgiven.
//   - A multipart without any part is given an empty text/plain one, since IMAP
//     has no way to write one without.
//   - message/rfc822 and message/global are opened whatever their encoding
//     claims to be (RFC 2046 §5.2.1 allows none that hides anything).
//
// # Limits
//
// Time is linear in the size of the message. Memory does not depend on it: what
// is kept is bounded by [MaxHeaderSize], [MaxDepth], [MaxParts] and
// [MaxAddresses]. A header longer than the limit ends there and the rest is body. A
// part nested too deeply, or one too many, is application/octet-stream to its
// end and is not looked into.
//
// # Concurrency
//
// A Summary and all it holds may be read by many goroutines as long as none
// changes it. A Scanner belongs to one.
//
// # Standards
//
// RFC 5322 with its obsolete syntax, RFC 6532, RFC 2045 to 2047, RFC 2183, RFC
// 2231, RFC 3282, RFC 2557 (Content-Location); ENVELOPE, BODYSTRUCTURE and
// sections by RFC 3501 and RFC 9051; RFC 5256 §2 (base subject, sent date) and the
// message identifiers of its threading; RFC 8970 (preview).
package message
