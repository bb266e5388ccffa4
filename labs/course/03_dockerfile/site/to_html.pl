# 글을 HTML로 바꿔요: 첫 글자가 #이면 제목, 아니면 문단
print "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n";
while (<>) {
    chomp;
    print s/^# // ? "<h1>$_</h1>\n" : "<p>$_</p>\n";
}
