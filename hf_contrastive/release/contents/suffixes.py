"""What file names end in that hold code, pickles, other weights or archives: one list for folder and repository."""

from __future__ import annotations

CODE = (".py", ".pyc", ".pyd", ".pyw", ".so", ".dll", ".dylib", ".sh", ".bat", ".cmd", ".ps1", ".exe", ".jar")
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".dill", ".msgpack")
OTHER_WEIGHTS = (".h5", ".hdf5", ".keras", ".onnx", ".onnx_data", ".ot", ".pb", ".tflite", ".gguf", ".mlmodel")
ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".whl")
