from datetime import timedelta
from outcomes import workflows
from outcomes.exports import services
from outcomes.exports.tables import TABLES
from outcomes.audit.models import SYSTEM
from outcomes.scheduling.models import Assignment
def test_probe(enrolment, clinic, now):
    c=enrolment.course
    for i,s in enumerate(c.sessions.order_by("number")):
        pass
    workflows.record_session(course=c, record={"planned_at":now-timedelta(days=2),"status":"done","route":"iv","dose_amount":40,"dose_unit":"mg","vitals":[{"minute":0,"systolic":120,"diastolic":80}]},by=SYSTEM,now=now)
    for a in Assignment.objects.all()[:3]:
        n=len(a.instrument.versions.get().definition.items)
        workflows.submit_response(assignment_id=a.pk,answers={str(i):1 for i in range(1,n)},submission_id=str(a.pk),language="en",mode="link",by=SYSTEM,now=now+timedelta(microseconds=5))
    for t in TABLES.values():
        x=b"".join(services.export(table=t,clinic=clinic,by=SYSTEM,now=now)).decode(); import re; x=re.sub("[0-9a-f]{8}-[0-9a-f-]{27}","K",x); print(x)
