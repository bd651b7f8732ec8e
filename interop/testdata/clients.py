"""Uses a mail server with Python's smtplib, imaplib and poplib.

    SERVER='{"ca": ..., "user": ..., "password": ..., "samples": folder, "smtp": port, ...}' python3 clients.py SMTP|IMAP|POP3

The user's INBOX and mailboxes are empty at the beginning.
"""
import imaplib
import json
import os
import poplib
import re
import smtplib
import ssl
import sys
import time
import unittest
from pathlib import Path

server = json.loads(os.environ["SERVER"])
user, password = server["user"], server["password"]
samples = {p.stem: p.read_bytes() for p in sorted(Path(server["samples"]).iterdir())}
context = ssl.create_default_context(cafile=server["ca"])
TIMEOUT = 30


def submit(name):
    with smtplib.SMTP_SSL("localhost", server["submissions"], context=context, timeout=TIMEOUT) as smtp:
        smtp.login(user, password)
        smtp.sendmail(user, [user], samples[name])


def below_trace(message):
    """The message without the fields that the server put on top."""
    assert message.startswith(b"Return-Path: <" + user.encode() + b">\r\nReceived: "), message[:200]
    return re.sub(rb"\AReturn-Path: .*\r\nReceived: .*\r\n(?:[ \t].*\r\n)*", b"", message)


class SMTP(unittest.TestCase):
    def test_each_way_in(self):
        ways = [("submission", "PLAIN"), ("submissions", "PLAIN"), ("submission", "LOGIN"), ("submissions", "LOGIN")]
        for i, (name, text) in enumerate(samples.items()):
            port, mechanism = ways[i % len(ways)]
            with self.subTest(name=name, port=port, mechanism=mechanism):
                if port == "submissions":
                    smtp = smtplib.SMTP_SSL("localhost", server[port], context=context, timeout=TIMEOUT)
                else:
                    smtp = smtplib.SMTP("localhost", server[port], timeout=TIMEOUT)
                with smtp:
                    if port == "submission":
                        smtp.ehlo()
                        self.assertFalse(smtp.has_extn("auth"))
                        smtp.starttls(context=context)
                    smtp.ehlo()
                    smtp.user, smtp.password = user, password
                    method = {"PLAIN": smtp.auth_plain, "LOGIN": smtp.auth_login}[mechanism]
                    self.assertEqual(smtp.auth(mechanism, method)[0], 235)
                    self.assertEqual(smtp.sendmail(user, [server["to"]], text, ["BODY=8BITMIME"]), {})

    def test_utf8_addresses(self):
        with smtplib.SMTP_SSL("localhost", server["submissions"], context=context, timeout=TIMEOUT) as smtp:
            smtp.login(user, password)
            with self.assertRaises(smtplib.SMTPRecipientsRefused) as refused:
                smtp.sendmail(user, ["grüße@ours.test"], samples["utf8"], ["SMTPUTF8", "BODY=8BITMIME"])
            self.assertEqual(refused.exception.recipients["grüße@ours.test"][0], 550)

    def test_refusals(self):
        with smtplib.SMTP("localhost", server["submission"], timeout=TIMEOUT) as smtp:
            with self.assertRaises(smtplib.SMTPSenderRefused) as refused:
                smtp.sendmail(user, [user], samples["plain"])
            self.assertEqual(refused.exception.smtp_code, 530)
            smtp.starttls(context=context)
            with self.assertRaises(smtplib.SMTPAuthenticationError) as refused:
                smtp.login(user, "wrong")
            self.assertEqual(refused.exception.smtp_code, 535)
            smtp.login(user, password)
            with self.assertRaises(smtplib.SMTPDataError) as refused:  # S1: no line ends in a bare LF
                smtp.mail(user)
                smtp.rcpt(user)
                smtp.docmd("DATA")
                smtp.send(b"Subject: smuggled\r\n\r\nbare\n.\nLF\r\n.\r\n")
                raise smtplib.SMTPDataError(*smtp.getreply())
            self.assertEqual(refused.exception.smtp_code, 554)
            smtp.sendmail(user, [server["to"]], samples["plain"].replace(b"Subject: plain", b"Subject: after refusals"))

    def test_size(self):
        with smtplib.SMTP_SSL("localhost", server["submissions"], context=context, timeout=TIMEOUT) as smtp:
            smtp.login(user, password)
            limit = int(smtp.esmtp_features["size"])
            self.assertEqual(smtp.mail(user, [f"SIZE={limit + 1}"])[0], 552)
            self.assertEqual(smtp.mail(user, [f"SIZE={limit}"])[0], 250)


class POP3(unittest.TestCase):
    def open(self):
        pop = poplib.POP3_SSL("localhost", server["pop3s"], context=context, timeout=TIMEOUT)
        pop.user(user)
        pop.pass_(password)
        return pop

    def retrieve(self, pop, number):
        return b"".join(line + b"\r\n" for line in pop.retr(number)[1])

    def test_session(self):
        for name in samples:
            submit(name)
        pop = poplib.POP3("localhost", server["pop3"], timeout=TIMEOUT)
        self.assertNotIn("USER", pop.capa())
        with self.assertRaises(poplib.error_proto):
            pop.user(user)
            pop.pass_(password)
        pop.stls(context=context)
        self.assertIn("UIDL", pop.capa())
        with self.assertRaisesRegex(poplib.error_proto, "AUTH"):
            pop.user(user)
            pop.pass_("wrong")
        pop.user(user)
        pop.pass_(password)

        count, octets = pop.stat()
        self.assertEqual(count, len(samples))
        listed = [tuple(map(int, line.split())) for line in pop.list()[1]]
        self.assertEqual(sum(size for _, size in listed), octets)
        uids = [line.split()[1] for line in pop.uidl()[1]]
        self.assertEqual(len(set(uids)), count)
        for (number, size), (name, text) in zip(listed, samples.items()):
            message = self.retrieve(pop, number)
            self.assertEqual(below_trace(message), text, name)
            self.assertEqual(len(message), size, name)
            header, body = message.split(b"\r\n\r\n", 1)
            top = b"\r\n".join(pop.top(number, 1)[1])
            self.assertEqual(top, header + b"\r\n\r\n" + body.split(b"\r\n")[0], name)

        with self.assertRaisesRegex(poplib.error_proto, "IN-USE"):
            self.open()
        pop.dele(1)
        with self.assertRaises(poplib.error_proto):
            pop.retr(1)
        pop.rset()
        self.assertEqual(pop.stat()[0], count)
        pop.dele(2)
        pop.close()  # without QUIT nothing is deleted

        pop = self.reopen()
        self.assertEqual([line.split()[1] for line in pop.uidl()[1]], uids)
        pop.dele(2)
        pop.quit()
        pop = self.open()
        self.assertEqual([line.split()[1] for line in pop.uidl()[1]], uids[:1] + uids[2:])
        pop.quit()

    def reopen(self):
        """Opens again after a broken session, which the server may notice a moment later."""
        for _ in range(100):
            try:
                return self.open()
            except poplib.error_proto as err:
                if b"IN-USE" not in err.args[0]:
                    raise
            time.sleep(0.1)
        self.fail("the maildrop stays locked")


class IMAP(unittest.TestCase):
    def setUp(self):
        self.imap = self.open()

    def tearDown(self):
        self.imap.logout()

    def open(self):
        imap = imaplib.IMAP4_SSL("localhost", server["imaps"], ssl_context=context, timeout=TIMEOUT)
        imap.login(user, password)
        return imap

    def ok(self, answer):
        self.assertEqual(answer[0], "OK", answer)
        return answer[1]

    def mailbox(self, name, *texts):
        """A new mailbox with those messages, selected; returns their UIDs."""
        self.ok(self.imap.create(name))
        uids = [self.append(name, text) for text in texts]
        self.ok(self.imap.select(name))
        return uids

    def append(self, mailbox, text, flags=None, date=None):
        done = self.ok(self.imap.append(mailbox, flags, date, text))
        return re.search(rb"APPENDUID \d+ (\d+)\]", done[0])[1].decode()

    def uids(self, *criteria, charset=None):
        return self.ok(self.imap.uid("SEARCH", *criteria))[0].decode().split()

    def body(self, uid, section="BODY.PEEK[]"):
        for item in self.ok(self.imap.uid("FETCH", uid, f"({section})")):
            if isinstance(item, tuple):
                return item[1]

    def flags(self, uid):
        line = self.ok(self.imap.uid("FETCH", uid, "(FLAGS)"))[0]
        return {f.decode() for f in imaplib.ParseFlags(line)} - {r"\Recent"}

    def test_starttls_and_logins(self):
        imap = imaplib.IMAP4("localhost", server["imap"], timeout=TIMEOUT)
        self.assertIn("LOGINDISABLED", imap.capabilities)
        with self.assertRaises(imaplib.IMAP4.error):
            imap.login(user, password)
        imap.starttls(ssl_context=context)
        self.assertNotIn("LOGINDISABLED", imap.capabilities)
        with self.assertRaisesRegex(imaplib.IMAP4.error, "AUTHENTICATIONFAILED"):
            imap.login(user, "wrong")
        self.ok(imap.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode()))
        self.ok(imap.select("INBOX", readonly=True))
        imap.logout()

    def test_delivered_bytes(self):
        for name in samples:
            submit(name)
        self.ok(self.imap.select("INBOX"))
        found = {}
        for uid in self.uids("ALL"):
            text = self.body(uid)
            size = self.ok(self.imap.uid("FETCH", uid, "(RFC822.SIZE)"))[0]
            self.assertIn(b"RFC822.SIZE %d" % len(text), size)
            found[re.search(rb"\r\nSubject: (\w+)\r\n", text)[1].decode()] = below_trace(text)
        self.assertEqual(found, samples)

    def test_appended_bytes(self):
        texts = dict(samples, unended=b"Subject: unended\r\n\r\nno line end", header=b"Subject: header\r\n")
        uids = dict(zip(texts, self.mailbox("Bytes", *texts.values())))
        for name, uid in uids.items():
            self.assertEqual(self.body(uid), texts[name], name)
            header, _, text = texts[name].partition(b"\r\n\r\n")
            if name != "header":
                self.assertEqual(self.body(uid, "BODY.PEEK[HEADER]"), header + b"\r\n\r\n", name)
                self.assertEqual(self.body(uid, "BODY.PEEK[TEXT]"), text, name)
            self.assertEqual(self.body(uid, "BODY.PEEK[]<3.10>"), texts[name][3:13], name)
        self.assertEqual(self.body(uids["mime"], "BODY.PEEK[2]"), b"3q2+7w==")
        structure = self.ok(self.imap.uid("FETCH", uids["mime"], "(BODYSTRUCTURE)"))[0]
        self.assertIn(b'(("TEXT" "PLAIN"', structure.upper())
        self.assertIn(b'"APPLICATION" "OCTET-STREAM"', structure.upper())

    def test_flags(self):
        one, two = self.mailbox("Flags", samples["plain"], samples["utf8"])
        self.assertEqual(self.flags(one), set())
        self.ok(self.imap.uid("STORE", f"{one},{two}", "+FLAGS", r"(\Flagged $Forwarded)"))
        self.ok(self.imap.uid("STORE", one, "-FLAGS.SILENT", r"(\Flagged)"))
        self.assertEqual(self.flags(one), {"$Forwarded"})
        self.assertEqual(self.flags(two), {"$Forwarded", r"\Flagged"})
        self.ok(self.imap.uid("STORE", one, "FLAGS", r"(\Draft)"))
        self.assertEqual(self.flags(one), {r"\Draft"})
        self.body(one, "BODY[]")  # sets \Seen, as PEEK does not
        self.assertEqual(self.flags(one), {r"\Draft", r"\Seen"})
        three = self.append("Flags", samples["dots"], r"(\Answered Label)", '"17-Jul-1996 02:44:25 -0700"')
        self.ok(self.imap.noop())
        self.assertEqual(self.flags(three), {r"\Answered", "Label"})
        self.assertIn(b'"17-Jul-1996 02:44:25 -0700"', self.ok(self.imap.uid("FETCH", three, "(INTERNALDATE)"))[0])

    def test_search(self):
        names = ["plain", "dots", "utf8", "latin1", "folded"]
        uids = dict(zip(names, self.mailbox("Search", *(samples[n] for n in names))))
        self.ok(self.imap.uid("STORE", uids["dots"], "+FLAGS", r"(\Seen)"))
        for criteria, want in {
            ("ALL",): names,
            ("SEEN",): ["dots"],
            ("UNSEEN", "SUBJECT", "o"): ["folded"],
            ("OR", "SUBJECT", "PLAIN", "HEADER", "X-Folded", "two"): ["plain", "folded"],
            ("NOT", "BODY", "line"): ["dots", "utf8", "latin1", "folded"],
            ("SENTON", "22-Nov-2026", "LARGER", "1"): names,
            ("FROM", "nobody"): [],
            ("2:3",): ["dots", "utf8"],
            ("UID", uids["utf8"] + ":*"): ["utf8", "latin1", "folded"],
        }.items():
            self.assertEqual(self.uids(*criteria), [uids[n] for n in want], criteria)
        self.imap.literal = "grüße".encode()  # in a literal, and in another case
        self.assertEqual(self.uids("CHARSET", "UTF-8", "BODY"), [uids["utf8"], uids["latin1"]])
        self.assertEqual(self.imap.uid("SEARCH", "CHARSET", "KOI7", "BODY", "x")[0], "NO")

    def test_copy_move_expunge(self):
        uids = self.mailbox("From", samples["plain"], samples["dots"], samples["utf8"])
        self.ok(self.imap.uid("STORE", uids[1], "+FLAGS", r"(\Flagged)"))
        self.assertEqual(self.imap.uid("COPY", uids[0], "Missing")[0], "NO")
        self.ok(self.imap.create("To"))
        self.ok(self.imap.uid("COPY", uids[1], "To"))
        self.ok(self.imap.uid("MOVE", uids[2], "To"))
        self.assertEqual(self.uids("ALL"), uids[:2])
        self.ok(self.imap.store("1:2", "+FLAGS", r"(\Deleted)"))
        self.ok(self.imap.uid("EXPUNGE", uids[1]))
        self.assertEqual(self.uids("ALL"), uids[:1])
        self.ok(self.imap.expunge())
        self.assertEqual(self.uids("ALL"), [])
        self.ok(self.imap.select("To"))
        copied, moved = self.uids("ALL")
        self.assertEqual(self.body(copied), samples["dots"])
        self.assertEqual(self.flags(copied), {r"\Flagged"})
        self.assertEqual(self.body(moved), samples["utf8"])
        self.assertEqual(self.flags(moved), set())

    def names(self, directory, pattern):
        lines = [line for line in self.ok(self.imap.list(directory, pattern)) if line]
        return {re.search(rb'"?([^" ]+)"?$', line)[1].decode() for line in lines}

    def test_mailboxes(self):
        for name in ["Tree", "Tree/Branch", "Tree/Branch/Leaf", "Entw&APw-rfe"]:
            self.ok(self.imap.create(name))
        self.assertEqual(self.imap.create("Tree")[0], "NO")
        self.assertEqual(self.names('""', "Tree/%"), {"Tree/Branch"})
        self.assertEqual(self.names('"Tree/"', "*"), {"Tree/Branch", "Tree/Branch/Leaf"})
        self.assertEqual(self.names('""', "Entw*"), {"Entw&APw-rfe"})
        self.ok(self.imap.rename("Tree/Branch", "Tree/Twig"))
        self.assertEqual(self.names('""', "Tree/*"), {"Tree/Twig", "Tree/Twig/Leaf"})
        self.ok(self.imap.delete("Tree/Twig/Leaf"))
        self.ok(self.imap.subscribe("Tree/Twig"))
        self.assertIn(b"Tree/Twig", b"".join(self.ok(self.imap.lsub('""', "Tree/*"))))
        self.ok(self.imap.unsubscribe("Tree/Twig"))
        self.append("Tree", samples["plain"])
        status = self.ok(self.imap.status("Tree", "(MESSAGES UNSEEN UIDNEXT)"))[0]
        self.assertIn(b"MESSAGES 1", status)
        self.assertIn(b"UNSEEN 1", status)
        self.assertIn("INBOX", self.names('""', "inbox"))
        self.ok(self.imap.namespace())

    def test_idle(self):
        """Another session's APPEND, STORE and EXPUNGE show in one that idles."""
        self.mailbox("Idle", samples["plain"])
        tag = self.imap._new_tag().decode()
        self.imap.send(f"{tag} IDLE\r\n".encode())
        self.wait_for(rb"\+ ")
        other = self.open()
        self.ok(other.append("Idle", None, None, samples["dots"]))
        self.wait_for(rb"\* 2 EXISTS")
        self.ok(other.select("Idle"))
        self.ok(other.store("1", "+FLAGS", r"(\Deleted)"))
        self.wait_for(rb"\* 1 FETCH .*\\Deleted")
        self.ok(other.expunge())
        self.wait_for(rb"\* 1 EXPUNGE")
        other.logout()
        self.imap.send(b"DONE\r\n")
        self.wait_for(rf"{tag} OK ".encode())

    def wait_for(self, pattern):
        while True:  # readline has a timeout
            line = self.imap.readline()
            self.assertNotEqual(line, b"", "connection closed")
            if re.match(pattern, line):
                return

    def test_two_sessions(self):
        """What one session does shows in the other at its next command."""
        self.mailbox("Shared", samples["plain"], samples["dots"])
        other = self.open()
        self.ok(other.select("Shared"))
        self.ok(self.imap.store("1", "+FLAGS", r"(\Flagged)"))
        self.ok(other.noop())
        self.assertIn(rb"\Flagged", self.ok(other.fetch("1", "(FLAGS)"))[0])
        self.ok(other.store("2", "+FLAGS", r"(\Deleted)"))
        self.ok(other.expunge())
        self.assertEqual(len(self.uids("ALL")), 1)
        self.ok(other.close())
        other.logout()

    def test_large_message(self):
        text = b"Subject: large\r\n\r\n" + b"".join(b"%078d\r\n" % i for i in range(100_000))
        (uid,) = self.mailbox("Large", text)
        self.assertEqual(self.body(uid), text)
        self.assertEqual(self.body(uid, "BODY.PEEK[]<4000000.500000>"), text[4_000_000:4_500_000])


if __name__ == "__main__":
    print(sys.version)
    unittest.main(verbosity=2)
