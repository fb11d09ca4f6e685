"""The same work as `messages`, as anyone would build it from the documentation of Channels: the honest "before".

One Django application without companies, bots or limits: consumers, the ORM, channels_redis. It speaks the frames of chat/PROTOCOL.md
that two people need to talk: `hello`, `message.send`, `subscribe`, `ping`; and `ack`, `message`, `welcome`, `pong`, `error`.
"""
