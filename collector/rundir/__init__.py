"""A run on disk: `layout` names its files, and each has one module that writes and reads it.

The journal (`journal/`) is the run; everything else is a view of it that may be written anew:
the manifest and SHA256SUMS, the list of members, `latest`. `views` keeps them current while a run
goes on: they may lag behind the journal and never lead it. A view that cannot be written is told of
once and tried again; it ends no run.

A run's directory may have been handed over, so whatever is read here is read with distrust: no link
is followed, sizes are bounded, and what a manifest or a list says counts only as far as the journal
agrees. `verification` is where that is checked as a whole, down to each archive's last byte.

`lock` lets one process work on a run: `flock` on the journal, gone with its process. `file_system`
says where such a lock is missing, and what else an output directory may lack.
"""
