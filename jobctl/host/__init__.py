"""What runs on the host: stdlib only, Python >= 3.7, relative imports only.

The folder is shipped as one zipapp (package name there: `jobctl_host`) and imports nothing else of jobctl. What the
laptop also needs (frames, parsing of log lines and of `npu-smi`) is imported by it from here.
"""
