"""Parts of the handles that both clients give: what can be changed of jobs and queues."""
