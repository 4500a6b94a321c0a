"""Tasks of every shape, as a taskmaster gets them, for general rules."""

from hypothesis import strategies as st

from builders.tasks import make_assigned_task, make_executor
from tesk_model.task import FileType, Input, Output

names = st.sampled_from(["a", "b", "usr", "opt", "x.txt", "local", "bin", "data"])
paths = st.lists(names, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
kinds = st.sampled_from(FileType)
inputs = st.builds(Input, path=paths, url=st.just("s3://b/k"), type=kinds)
patterns = paths.map(lambda path: path + "/*")
outputs = st.one_of(
    st.builds(Output, path=paths, url=st.just("s3://b/o"), type=kinds),
    st.builds(Output, path=patterns, url=st.just("s3://b/o"), path_prefix=st.just("/")),
)
executors = st.builds(
    make_executor,
    stdin=st.none() | paths,
    stdout=st.none() | paths,
    stderr=st.none() | paths,
    workdir=st.none() | paths,
)
tasks = st.builds(
    make_assigned_task,
    inputs=st.lists(inputs, max_size=4).map(tuple),
    outputs=st.lists(outputs, max_size=4).map(tuple),
    volumes=st.lists(paths, max_size=2).map(tuple),
    executors=st.lists(executors, min_size=1, max_size=3).map(tuple),
)
