// Package route decides what becomes of a mail: delivery, relay, another
// address, a refusal, or a function of the application's. A [Router] is asked
// for each recipient and answers with a [Verdict], which is data.
//
// Ready-made rules are Routers too, and compose like handlers of HTTP:
//
//	router := route.First(
//		route.Domains([]string{"example.org"},
//			route.Aliases(aliases),
//			route.Subaddress("+", route.Accounts(directory)),
//			route.CatchAll("example.org", info),
//			route.Postmaster(ann),
//		),
//		route.RelayAuthenticated(),
//	)
//
// A rule of one's own is a function:
//
//	tickets := route.Func(func(ctx context.Context, m *route.Mail, r postrider.Recipient) (route.Verdict, error) {
//		if strings.HasPrefix(r.ForwardPath.Local, "ticket-") {
//			return route.Handle("tickets"), nil
//		}
//		return nil, nil
//	})
//
// # Concurrency
//
// Routers are called by many goroutines at once and change nothing.
//
// # Errors
//
// Whatever goes wrong in a rule defers the recipient and keeps the mail: an
// error, a panic, a timeout. Only a *postrider.Status of class 5, or a Reject
// verdict, refuses for good. What no rule decides is refused with 5.7.1, so a
// router without rules relays nothing.
//
// # Limits
//
// [MaxRedirects], [MaxDecisions] and [DefaultTimeout] for one recipient.
//
// # Standards
//
// RFC 5321 §3.9 (aliases), §4.5.1 (postmaster), §7.8 (refusals by policy); RFC
// 5233 (subaddresses).
package route
