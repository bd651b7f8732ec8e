"""Says what the report on standard input is, as Python's email package sees it."""
import sys
from email import message_from_binary_file, policy

message = message_from_binary_file(sys.stdin.buffer, policy=policy.default)
for part in message.walk():
    if part.defects:
        sys.exit(f"{part.get_content_type()}: {part.defects}")
print(message.get_content_type(), message.get_param("report-type"))
text, status, original = message.iter_parts()
print(text.get_content_type(), status.get_content_type(), original.get_content_type())
for block in status.get_payload()[1:]:
    print(block["Final-Recipient"].replace(" ", ""), block["Action"], block["Status"])
