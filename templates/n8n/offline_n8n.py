"""Answers in n8n's place as workflow.json does, so that the agent can be tried without n8n.

    python3 offline_n8n.py [PORT]
"""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Webhooks(BaseHTTPRequestHandler):
    """The webhooks of the workflow: one that answers, one that streams as n8n's AI agents do."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        output = answer(asked["prompt"])
        if self.path == "/webhook/assistant":
            self.reply(200, [{"output": output}])
        elif self.path == "/webhook/assistant-stream":
            items = [{"type": "item", "content": word} for word in re.findall(r"\s*\S+", output)]
            self.reply(200, [{"type": "begin"}, *items, {"type": "end"}])
        else:
            self.reply(404, [{"code": 404, "message": f"The requested webhook {self.path} is not registered."}])

    def reply(self, status, lines):
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def answer(prompt):
    numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", prompt)]
    if re.search(r"\badd\b", prompt, re.IGNORECASE) and len(numbers) > 1:
        return f"{numbers[0]:g} + {numbers[1]:g} = {numbers[0] + numbers[1]:g}."
    return "I am a workflow without a model. Ask me to add two numbers."


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 5678), Webhooks)
    print(f"Answering in n8n's place at http://127.0.0.1:{server.server_port}; Ctrl-C ends it.", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
