"""Real files behind the URLs: drawn portraits, group pictures, GIF, MP4 and WAV.

A face is a pure function of ``(identity, index)``: the same pair is drawn in the same way in a crop, in a group
picture and in a video, in every process. This package reads no file, no clock and no random source. Pillow is
imported when the first picture is drawn, so that a server without pictures does not load it."""

from swapmock.mock_server.media.features import Face
from swapmock.mock_server.media.mime import content_type
from swapmock.mock_server.media.pictures import face_jpeg, face_png, group_gif, group_picture
from swapmock.mock_server.media.sound import audio_wav, silence_wav
from swapmock.mock_server.media.video import group_mp4

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
