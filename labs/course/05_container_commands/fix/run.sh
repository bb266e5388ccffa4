docker image build -q -t lab/fixed-hello
docker container run --rm --it lab/fixed-hello
