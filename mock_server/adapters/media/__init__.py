"""Real bytes behind the URLs: drawn portraits, group pictures, GIF, MP4 and WAV.

A face is a pure function of ``(identity, index)``: the same pair is the same drawing in a crop, in a group picture
and in a film, in every process. Nothing here reads a file, a clock or a random source. Pillow is imported when the
first picture is drawn, so a server that serves no picture does not pay for it.
"""

from mock_server.adapters.media.film import group_mp4
from mock_server.adapters.media.kinds import content_type
from mock_server.adapters.media.look import Face
from mock_server.adapters.media.pictures import face_jpeg, face_png, group_gif, group_picture
from mock_server.adapters.media.sound import audio_wav, silence_wav

__all__ = [
    "Face",
    "audio_wav",
    "content_type",
    "face_jpeg",
    "face_png",
    "group_gif",
    "group_mp4",
    "group_picture",
    "silence_wav",
]
