"""What this revision's training and serving run on. It belongs to the minor: each revision may need other machines."""

from rung.infrastructure import Autoscaling, Infrastructure, ServingHardware, TrainingHardware

infrastructure = Infrastructure(
    training=TrainingHardware(vcpus=2, memory_gib=4, gpus=0, disk_gib=10),
    serving=ServingHardware(
        vcpus=1,
        memory_gib=2,
        gpus=0,
        disk_gib=5,
        request_timeout_s=5,
        gunicorn_workers=2,  # each holds its own copy of the model
        autoscaling=Autoscaling(minimum=1, maximum=1, target_concurrency=8),
    ),
)
