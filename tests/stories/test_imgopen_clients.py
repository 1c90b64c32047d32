"""The flows of real clients."""

import pytest
import requests

from tests.stories.imgopen_jobs import job


class PatientClient:
    """Submits a generation under an id that never changes, then polls with the id of the answer: five times, ten
    seconds apart, strict about the text "200" and the numbers 1, 2 and 3."""

    def __init__(self, imgopen, time):
        self.imgopen = imgopen
        self.time = time

    def picture(self, prompt):
        body = {
            "prompt": prompt,
            "negative_prompt": "blurred",
            "n_iter": 1,
            "batch_size": 1,
            "steps": 25,
            "seed": "-1",
            "restore_faces": False,
            "enable_hr": False,
            "hr_scale": 2,
            "hr_second_pass_steps": 20,
            "hr_resize_x": 1024,
            "hr_resize_y": 1024,
            "width": 768,
            "height": 768,
            "cfg_scale": 7,
            "sampler_index": "DPM++ 2M Karras",
            "denoising_strength": 0.55,
            "alwayson_scripts": {
                "sd_model_checkpoint": "revAnimated_v122_7371.safetensors",
                "id_task": "pro1686666",
                "sd_vae": "vae-ft-mse-840000-ema-pruned.ckpt",
                "override_settings": {"CLIP_stop_at_last_layers": 2},
            },
        }
        made = self.imgopen.call("sd/v2/text2image", body).json()
        assert made["code"] == "200"
        return requests.get(self.link(made["data"]["task_id"]), timeout=10)

    def link(self, task_id):
        for _ in range(5):
            asked = self.imgopen.call("sd/v2/queryTaskInfo", {"businessTaskId": task_id}).json()
            if asked["code"] == "200" and asked["data"]["status"] == 2:
                return asked["data"]["differentialImageRspList"][0]["image_url"]
            if asked["data"]["status"] not in (1, 3):
                raise RuntimeError("failed or unknown")
            self.time.advance(10)
        raise TimeoutError


@pytest.mark.parametrize(
    "settings", [{"variants": {"imgopen": {"sd_task_id": whose}}} for whose in ("server", "caller")], indirect=True
)
def test_a_patient_client_gets_its_picture(imgopen, time):
    """The client finds its task by either id in the answer; a reused own id finds the newest task."""
    client = PatientClient(imgopen, time)
    first, second = client.picture("a castle"), client.picture("a bridge")
    for answer in (first, second):
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert first.content != second.content


def test_a_patient_client_tells_a_failure_from_a_wait(imgopen, time):
    client = PatientClient(imgopen, time)
    for name, error in (("fails", RuntimeError), ("stuck", TimeoutError), ("slow", TimeoutError)):
        made = imgopen.data(*job("sd_text2image", own_id=name, url=f"https://errors.invalid/{name}"))
        time.advance(1 if name != "fails" else 10)
        with pytest.raises(error):
            client.link(made["task_id"])


def test_a_lost_answer_and_its_second_submission(imgopen):
    """The task was created, but the client did not get the answer; it finds the task by its own id."""
    path, body = job("face_fusion", own_id="lost", url="https://errors.invalid/lost")
    assert imgopen.refused(path, body)["code"] == "500"
    assert imgopen.query("face/fusion", "lost")["status"] == 3


@pytest.mark.parametrize(("name", "code"), [("code_type", 200), ("extra_fields", "200")])
def test_an_answer_in_another_form(imgopen, name, code):
    answer = imgopen.call(*job("face_fusion", url=f"https://errors.invalid/{name}")).json()
    assert answer["code"] == code
    assert answer.get("unexpected") is (True if name == "extra_fields" else None)
