// Package dsn writes delivery status notifications: the mails that tell a
// sender what became of a recipient.
//
//	report := dsn.Report{ReportingMTA: "mx.example.org", To: sender, Arrived: arrived, ID: "4711"}
//	report.Add(recipient, dsn.Failed, status, "mx.example.net")
//	content, envelope, err := report.Write(original)
//
// # Concurrency
//
// A Report belongs to one goroutine.
//
// # Limits
//
// Diagnostic texts of remote servers are cut at [MaxText] octets. A message goes back
// whole up to [MaxReturned] octets; of a larger one, and of one whose sender asked for it, the
// header.
//
// # Standards
//
// RFC 3464 (the format), RFC 6522 (multipart/report), RFC 3461 (who is told what), RFC 6533
// (internationalised), RFC 3834 §5 (Auto-Submitted), RFC 5321 §6.1 (never to the null
// path).
package dsn
